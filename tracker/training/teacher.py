"""A published tracker as teacher: the student takes over its head and learns to give its features."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.model import BaseModel
from torch import Tensor

from tracker.checkpoint import load_checkpoint
from tracker.errors import TrackerError
from tracker.losses import feature_error
from tracker.models import NanoTrack, Network
from tracker.models.nanotrack import FEATURES

# By the names of `--teacher`.
TEACHERS = {f"nanotrack_v{version}": version for version in FEATURES}


def load_teacher(name: str, weights: Path) -> NanoTrack:
    """The frozen teacher.

    Raises:
        TrackerError: a file of another tracker than `name`.
        CheckpointError: the file is missing or unreadable.
    """
    network, checkpoint = load_checkpoint(weights)
    if not isinstance(network, NanoTrack) or network.config.version != TEACHERS[name]:
        found = checkpoint.model["type"] if not isinstance(network, NanoTrack) else f"v{network.config.version}"
        raise TrackerError(f"--teacher-weights {weights}: holds {found}, not --teacher {name}")
    return network


def check_pupil(student: Network, name: str) -> None:
    """Refuse a student that cannot be compared with the teacher map by map.

    Raises:
        TrackerError: its head is not the teacher's.
    """
    version = student.config.version if isinstance(student, NanoTrack) else None
    if version != TEACHERS[name]:
        raise TrackerError(f"--teacher {name}: the student must have its head: model.type nanotrack, version "
                           f"{TEACHERS[name]} (the preset nano is such)")


def adopt_head(student: NanoTrack, teacher: NanoTrack) -> list[str]:
    """Start from the teacher's weights wherever the student's head has the same; returns the modules' names that do."""
    own, given = student.state_dict(), teacher.state_dict()
    taken = {name: value for name, value in given.items()
             if name.startswith(("cls.", "box.")) and name in own and own[name].shape == value.shape}
    student.load_state_dict(taken, strict=False)
    return sorted({name.rpartition(".")[0] for name in taken})


class MimicTrainer(BaseModel):
    """Teaches a backbone and neck to give the teacher's features, for both crops of a pair.

    The loss is the squared error in units of each feature's variance over the batch: 1 is what a constant would get.
    """

    relaxation = None

    def __init__(self, network: NanoTrack, teacher: NanoTrack, precision: str = "float32") -> None:
        super().__init__()
        self.network = network
        self.dtype = getattr(torch, precision)
        # In a tuple, so that the teacher is neither trained nor saved nor averaged with the student.
        self._teacher = (teacher.eval().requires_grad_(False),)

    def forward(self, template: Tensor, search: Tensor, mode: str = "loss", **labels: Tensor) -> dict[str, Tensor]:
        """Losses of a batch of pairs as `PairTrainer.forward` takes them; the labels are not needed."""
        losses = {}
        for name, crops in (("template", template), ("search", search)):
            crops = crops.float().contiguous(memory_format=torch.channels_last)
            with torch.autocast(crops.device.type, self.dtype, enabled=self.dtype != torch.float32):
                features = self.network.features(crops)
                with torch.no_grad():
                    wanted = self._teacher[0].to(crops.device).features(crops)
            losses[f"loss_{name}"] = feature_error(features, wanted)
        return losses
