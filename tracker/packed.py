"""Trackers whose network is packed: their files, and the network in the form that the tracker uses."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from b2nn.errors import B2nnError
from b2nn.packed import PackedNetwork, load, pack
from b2nn.packed.program import joined
from b2nn.plan import BinarizationPlan
from b2nn.pruning import PruningPlan
from b2nn.recipe import Recipe
from tracker.checkpoint import Checkpoint
from tracker.errors import CheckpointError, TrackerError
from tracker.models import Network, Predictions, SiamFC, build_network
from tracker.typed import typed

FORMAT = "b2track.packed/1"
METHODS = ("embed", "features", "respond")


class PackedTrackerNetwork(nn.Module):
    """A packed network in the place of the one that it was made from; on the CPU.

    Args:
        packed: made by `pack_network`.

    Raises:
        CheckpointError: some other packed network.
    """

    def __init__(self, packed: PackedNetwork) -> None:
        super().__init__()
        if packed.metadata.get("format") != FORMAT:
            raise CheckpointError("holds no tracker; make it with `b2track export --format packed`")
        # One call a frame, and features that stay as the second part reads them.
        both = joined(packed.programs["features"], packed.programs["respond"], "features")
        self.packed = PackedNetwork({**packed.programs, "forward": both}, packed.metadata)
        shape = build_network(packed.metadata["model"])
        self.config, self.stride = shape.config, shape.stride
        self._grid = None if isinstance(shape, SiamFC) else shape.grid()
        # Trackers ask a network's parameters where it runs.
        self.place = nn.Parameter(torch.empty(0), requires_grad=False)

    @property
    def precision(self) -> str:
        """Of all that is not binary: float32, bf16 or int8."""
        return str(self.packed.metadata.get("fp_precision", "float32"))

    def twin(self) -> PackedTrackerNetwork:
        """The same weights, with maps of its own: for another thread."""
        return PackedTrackerNetwork(copy.copy(self.packed))

    def grid(self) -> Tensor | None:
        """As the network's own; None of SiamFC."""
        return self._grid

    def embed(self, template: Tensor) -> Tensor:
        """The kernel of a template, (1, 3, size, size) BGR in 0..255, uint8 or float32 as all crops."""
        return self.packed.run("embed", template)

    def features(self, crops: Tensor) -> Tensor:
        """Features of crops, (N, 3, size, size) BGR in 0..255."""
        return self.packed.run("features", crops)

    def respond(self, kernel: Tensor, features: Tensor) -> Predictions | Tensor:
        """The maps of search features."""
        return _predictions(self.packed.run("respond", kernel, features))

    def forward(self, kernel: Tensor, search: Tensor) -> Predictions | Tensor:
        """The maps of search crops, (N, 3, size, size) BGR in 0..255."""
        return _predictions(self.packed.run("forward", kernel, search))


def pack_network(network: Network, checkpoint: Checkpoint, fp_precision: str = "float32",
                 calibration: Sequence[tuple[Tensor, Tensor]] | None = None) -> PackedNetwork:
    """The packed form of a checkpoint's network.

    Args:
        calibration: template and search crops for ``int8``, (1, 3, T, T) and (N, 3, S, S).

    Raises:
        B2nnError: something that has no packed form.
    """
    metadata = {
        "format": FORMAT, "model": checkpoint.model, "tracking": checkpoint.tracking, "fp_precision": fp_precision,
        "plan": checkpoint.plan.to_dict() if checkpoint.plan else None, "recipe": asdict(checkpoint.recipe),
        "pruned": checkpoint.pruned.to_dict() if checkpoint.pruned else None,
    }
    return pack(network, methods=METHODS, fp_precision=fp_precision, calibration=calibration, forward=_maps,
                metadata=metadata)


def load_packed(path: Path) -> tuple[PackedTrackerNetwork, dict[str, Any]]:
    """The network of a packed tracker's file, and its tracking options.

    Raises:
        CheckpointError: damaged, or no tracker; the message names the file.
    """
    try:
        packed = load(path)
        return PackedTrackerNetwork(packed), packed.metadata["tracking"]
    except B2nnError as error:
        raise CheckpointError(str(error)) from error
    except (TrackerError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def packed_checkpoint(packed: PackedTrackerNetwork) -> Checkpoint:
    """What the checkpoint said that a network was packed from, all but its weights.

    Raises:
        B2nnError, TrackerError: no such things.
    """
    facts = packed.packed.metadata
    return Checkpoint(facts["model"], facts["tracking"],
                      BinarizationPlan.from_dict(facts["plan"]) if facts.get("plan") else None,
                      PruningPlan.from_dict(facts["pruned"]) if facts.get("pruned") else None,
                      typed(Recipe, facts.get("recipe", {}), "recipe"))


def _predictions(answer: Any) -> Predictions | Tensor:
    return answer if isinstance(answer, Tensor) else Predictions(*answer)


def _maps(packed: PackedNetwork, crops: tuple[Tensor, Tensor]) -> Any:
    template, search = crops
    return packed.run("respond", packed.run("embed", template), packed.run("features", search))
