"""What a summary is of: a preset's network, a checkpoint's, or that of a packed file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from b2nn.cost import CostTable
from b2nn.errors import B2nnError
from tracker.checkpoint import Checkpoint, load_checkpoint, shaped_network
from tracker.config import load_config
from tracker.errors import CheckpointError, TrackerError
from tracker.form import files_of, form_of
from tracker.models import Network, build_network, cost_table
from tracker.onnx_network import OnnxNetwork
from tracker.packed import PackedTrackerNetwork, load_packed, pack_network, packed_checkpoint


@dataclass(frozen=True)
class Subject:
    """A network, and all that is known of it.

    Attributes:
        stored: model, plan, pruned channels.
        network: with them; of a preset or file its weights are no trained ones.
        table: what it cost before its plan made units binary.
        packed: what to measure; None of presets, and of what cannot be packed.
        unpacked: why it cannot be, else empty.
        file: the packed file; None of others.
    """

    stored: Checkpoint
    network: Network
    table: CostTable
    packed: PackedTrackerNetwork | None = None
    unpacked: str = ""
    file: Path | None = None

    @property
    def fp_precision(self) -> str:
        """Of the packed network's layers that are not binary."""
        return self.packed.precision if self.packed else "float32"


def preset_subject(config: str) -> Subject:
    """The network of a preset or configuration file, without a plan."""
    stored = Checkpoint(load_config(config).model.to_dict())
    network = build_network(stored.model)
    return Subject(stored, network, cost_table(network))


def subject_of(path: Path) -> Subject:
    """That of a checkpoint, which is packed to be measured, or of a packed file.

    Raises:
        CheckpointError: the file cannot be read or holds something else.
    """
    if form_of(path, packed=False) == "packed":
        return _of_file(path)
    network, stored = load_checkpoint(path)
    packed, unpacked = None, ""
    try:
        packed = PackedTrackerNetwork(pack_network(network, stored))
    except B2nnError as error:
        unpacked = str(error)
    return Subject(stored, network, _undecided(stored), packed, unpacked)


def _of_file(path: Path) -> Subject:
    packed, _ = load_packed(path)
    try:
        stored = packed_checkpoint(packed)
        return Subject(stored, shaped_network(stored).eval(), _undecided(stored), packed, file=path)
    except (B2nnError, TrackerError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def _undecided(stored: Checkpoint) -> CostTable:
    return cost_table(shaped_network(replace(stored, plan=None)))


def deployed_facts(path: Path) -> dict[str, Any]:
    """What a packed file or a folder of ONNX graphs knows of itself, under the keys of a run's `summary.json`.

    ``bytes`` are those of the files.
    """
    form = form_of(path, packed=False)
    if form == "packed":
        packed, _ = load_packed(path)
        stored, precision = packed_checkpoint(packed), packed.precision
    else:
        graphs = OnnxNetwork(path)
        stored, precision = graphs.stored, graphs.precision
    plan, pruned, table = stored.plan, stored.pruned, _undecided(stored)
    if plan:
        table = table.divided(plan.names)
    full = plan.full if plan else [unit.name for unit in table.eligible]
    total = cost_table(build_network(stored.model)).total
    return {
        "method": "pruned" if pruned else plan.strategy if plan and plan.binary else "fp",
        "budget": stored.budget,
        "flops_ratio": table.counted(full) / total,
        "counted_flops": table.counted(full),
        "fp_flops": total,
        "params_1bit": table.params_1bit(full),
        "params_32bit": table.params_32bit(full),
        "bytes": sum(file.stat().st_size for file in files_of(path)),
        "form": form if precision == "float32" else f"{form}, {precision}",
    }
