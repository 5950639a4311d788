"""A tiny network, short trainings of it, and a network that sees red: shared by the tracker's tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from datasets.sources import open_training_caches
from datasets.synthetic import SyntheticOptions, ensure
from tracker.config import load_config
from tracker.models import Predictions, SiameseConfig, build_network
from tracker.training import fitting
from tracker.training.pipeline import Job, train

TINY = dict(
    type="siamese",
    backbone=dict(width=0.125, stride=16, stem="light", shortcut="conv", activation="prelu"),
    neck_channels=8,
    template_cells=5,
    head=dict(channels=8, depth=1, activation="prelu"),
)

# Overrides with which every strategy is quick.
QUICK = {"search.candidates": dict(train_batches=2, held_out_batches=1, batchnorm_batches=1),
         "search.evolution": dict(population=3, generations=2, elite=1, tournament=2),
         "search.iterative": dict(steps=1), "search.hessian": dict(probes=1), "finetune.iterations": 1}


def config(**overrides) -> Config:
    """The preset `demo` with a tiny network and phases of a few iterations."""
    options = {
        "model": TINY, "data.batch_size": 2, "data.workers": 0, "fp.iterations": 6, "search.iterations": 4,
        "finetune.iterations": 4, "runtime.precision": "float32", "runtime.checkpoint_interval": 2,
        "runtime.log_interval": 1, "runtime.ema": 0.5,
    }
    return load_config("demo", options | overrides)


@pytest.fixture
def tiny_model() -> dict:
    return TINY


@pytest.fixture
def tiny_network():
    torch.manual_seed(0)
    return build_network(TINY).eval()


class RedDetector(torch.nn.Module):
    """Answers as a perfect network would for a red target: its place, its box, and nothing where there is no red."""

    config = SiameseConfig()
    stride = 8

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def grid(self) -> torch.Tensor:
        axis = torch.arange(32) * 8.0 + 0.5
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        return torch.stack((x, y))

    def embed(self, template: torch.Tensor) -> torch.Tensor:
        return template.new_zeros(1, 1, 7, 7)

    def forward(self, kernel: torch.Tensor, search: torch.Tensor) -> Predictions:
        red = (search[0, 2] > 150) & (search[0, 1] < 100)
        x, y = self.grid()
        shape = (1, 32, 32)
        if not red.any():
            return Predictions(torch.full(shape, -9.0), torch.zeros(shape), torch.ones(1, 4, 32, 32))
        rows, columns = torch.nonzero(red.any(1))[:, 0], torch.nonzero(red.any(0))[:, 0]
        x1, x2 = float(columns.min()), float(columns.max()) + 1
        y1, y2 = float(rows.min()), float(rows.max()) + 1
        sides = torch.stack((x - x1, y - y1, x2 - x, y2 - y))[None]
        inside = sides.amin(1) > 0
        central = -((x - (x1 + x2) / 2) ** 2 + (y - (y1 + y2) / 2) ** 2)[None] / 1000
        return Predictions(torch.where(inside, 6.0, -9.0), central, sides.clamp(min=0.1))


@pytest.fixture
def red_detector() -> RedDetector:
    return RedDetector()


def red_frame(box: tuple[float, float, float, float] | None, size: tuple[int, int] = (240, 320)) -> np.ndarray:
    """Grey frame (H, W, 3) with a red rectangle x, y, w, h."""
    frame = np.full((*size, 3), 120, np.uint8)
    if box is not None:
        x, y, w, h = (round(value) for value in box)
        frame[max(y, 0): max(y + h, 0), max(x, 0): max(x + w, 0)] = (20, 20, 230)
    return frame


@pytest.fixture(scope="session")
def caches(tmp_path_factory) -> list:
    """Training caches of two generated sequences."""
    root = tmp_path_factory.mktemp("data")
    ensure(root / "synthetic", SyntheticOptions(train_sequences=2, val_sequences=1, train_frames=20, val_frames=20))
    return open_training_caches(root / "lmdb", synthetic=root / "synthetic")


@pytest.fixture(scope="session")
def full(caches, tmp_path_factory) -> Path:
    """A work dir that holds the full-precision tracker."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    train(Job(config(**QUICK), ("fp",), (), folder, caches))
    return folder


@pytest.fixture
def folder(full, tmp_path, monkeypatch) -> Path:
    """A work dir of one's own with that full-precision tracker."""
    monkeypatch.setattr(fitting, "BATCHNORM_BATCHES", 1)
    shutil.copytree(full / "fp", tmp_path / "fp")
    return tmp_path
