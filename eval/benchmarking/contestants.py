"""What races: each checkpoint in torch and packed, the full-precision one in other runtimes too, and NanoTrack."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from datasets.errors import DataError
from eval.benchmarking import forms
from eval.benchmarking.calls import Racer, network_calls
from eval.benchmarking.footage import Footage
from eval.benchmarking.timing import clock_for, fastest
from eval.peers import find_peers
from eval.peers.nanotrack import VERSIONS, NanoTrack
from tracker.checkpoint import Checkpoint, load_checkpoint
from tracker.errors import TrackerError
from tracker.export.onnx_graphs import require_onnx
from tracker.form import files_of, form_of
from tracker.models import Network
from tracker.online import SiameseTracker
from tracker.onnx_network import OnnxNetwork
from tracker.packed import PackedTrackerNetwork, load_packed, pack_network, packed_checkpoint

PRECISIONS = ("float32", "bf16", "int8")


@dataclass(frozen=True)
class Contestant:
    """One row of the table.

    Attributes:
        name: the tracker's and its runtime's; with `fp_precision` it tells rows apart.
        fp_precision: of what is not binary.
        start: makes the tracker for a number of threads.
        budget: share of the full-precision cost that was asked for; None if none was.
        digests: hashes that evaluations of the same numbers know it by, the nearest first.
    """

    name: str
    fp_precision: str
    start: Callable[[int], Racer]
    budget: float | None = None
    digests: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trained:
    """A network to race with.

    Attributes:
        name: of the tracker.
        digests: as of `Contestant`: of the network in torch, and packed.
    """

    name: str
    network: Network
    stored: Checkpoint
    digests: tuple[str, str] | None = None

    @property
    def full_precision(self) -> bool:
        """Whether it is neither binary in part nor pruned."""
        return not (self.stored.plan and self.stored.plan.binary) and self.stored.pruned is None


def load_trained(name: str, path: Path) -> Trained:
    """The network of a checkpoint; errors as of `load_checkpoint`."""
    content = path.read_bytes() if path.is_file() else b""
    plain, packed = (hashlib.sha256(content + form).hexdigest() for form in (b"", b"packed"))
    return Trained(name, *load_checkpoint(path), (plain, packed))


def simulated(trained: Trained) -> Contestant:
    """In torch, float32 and channels last; what is binary is computed on floats."""
    return Contestant(f"{trained.name}, torch", "float32", partial(_in_torch, trained), trained.stored.budget,
                      trained.digests or ())


def packed(trained: Trained, footage: Footage) -> list[Contestant]:
    """Packed, in each of `PRECISIONS`.

    Raises:
        B2nnError: the network has no packed form.
    """
    size = trained.network.config.template_size
    pairs = [(footage.template(size), search) for search in footage.searches(_in_torch(trained, 1))]
    made = []
    for precision in PRECISIONS:
        network = pack_network(trained.network, trained.stored, precision, pairs if precision == "int8" else None)
        digests = trained.digests[::-1] if trained.digests and precision == "float32" else ()
        tracker = SiameseTracker(PackedTrackerNetwork(network), trained.stored.tracking)
        made.append(Contestant(f"{trained.name}, packed", precision, partial(_as_is, tracker), trained.stored.budget,
                               digests))
    return made


def deployed(name: str, path: Path) -> Contestant:
    """The tracker of what ``tools/export.py`` wrote: a packed file, or a folder of ONNX graphs."""
    if form_of(path, packed=False) == "onnxruntime":
        graphs = OnnxNetwork(path)
        return Contestant(f"{name}, onnxruntime", graphs.precision, partial(_in_onnxruntime, path),
                          graphs.stored.budget, _digests(path))
    network, tracking = load_packed(path)
    return Contestant(f"{name}, file", network.precision, partial(_as_is, SiameseTracker(network, tracking)),
                      packed_checkpoint(network).budget, _digests(path))


def _digests(path: Path) -> tuple[str, ...]:
    """Of a file that runs in one form, whatever form was asked for."""
    content = b"".join(file.read_bytes() for file in files_of(path))
    return tuple(hashlib.sha256(content + form).hexdigest() for form in (b"packed", b""))


def other_runtimes(trained: Trained, footage: Footage, work: Path) -> tuple[list[Contestant], list[str]]:
    """The full-precision tracker in torch's bfloat16 and in onnxruntime, float32 and static int8.

    Args:
        work: folder for exported graphs, which must stay while they race.

    Returns:
        The contestants, and a line for each that cannot race here.
    """
    made = [Contestant(f"{trained.name}, torch", "bf16", partial(_bfloat16, trained, footage), trained.stored.budget)]
    missing = ["float32", "int8"]
    try:
        require_onnx()
        for precision, folder in forms.export_onnx(trained.network, trained.stored, footage, work):
            made.append(Contestant(f"{trained.name}, onnxruntime", precision, partial(_in_onnxruntime, folder),
                                   trained.stored.budget, (trained.digests or ()) if precision == "float32" else ()))
            missing.remove(precision)
    except TrackerError as error:
        return made, [f"Left out: {trained.name}, onnxruntime, {' and '.join(missing)}: {error}."]
    return made, []


def nanotracks(folder: Path) -> tuple[list[Contestant], list[str]]:
    """The versions of NanoTrack whose files a folder has, and a line for each that it lacks."""
    made, notes = [], []
    for name in VERSIONS:
        try:
            found, _ = find_peers([name], folder, 1)
        except DataError as error:
            notes.append(f"Left out: {name}: {error}.")
            continue
        made.append(Contestant(f"{name}, onnxruntime", "float32", partial(_nanotrack, name, folder),
                               digests=(found[0].sha256,)))
    return made, notes


def _in_torch(trained: Trained, threads: int) -> SiameseTracker:
    return SiameseTracker(trained.network, trained.stored.tracking)


def _as_is(tracker: SiameseTracker, threads: int) -> SiameseTracker:
    return tracker


def _bfloat16(trained: Trained, footage: Footage, threads: int) -> SiameseTracker:
    """The faster of the two ways that torch has."""
    networks: list[Any] = [forms.Autocast(trained.network), forms.Converted(trained.network)]
    ways = [SiameseTracker(network, trained.stored.tracking) for network in networks]
    return ways[fastest([network_calls(way, footage) for way in ways], clock_for(threads))]


def _in_onnxruntime(folder: Path, threads: int) -> SiameseTracker:
    network = OnnxNetwork(folder, threads)
    return SiameseTracker(network, network.stored.tracking)


def _nanotrack(name: str, folder: Path, threads: int) -> NanoTrack:
    found, _ = find_peers([name], folder, threads)
    tracker = found[0].load("cpu")
    assert isinstance(tracker, NanoTrack)
    return tracker
