"""Losses on pairs that nothing was trained on: they separate networks sooner than any score of a few sequences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from datasets.lmdb_cache import LmdbCache
from datasets.pairs import PairDataset, PairOptions
from tracker.checkpoint import load_checkpoint
from tracker.losses import Distillation
from tracker.training.module import PairTrainer

SEED = 2_000_003  # of no training phase


def held_out_losses(checkpoint: Path, teacher: Path, caches: Sequence[LmdbCache], options: PairOptions,
                    batches: int, batch_size: int, device: str = "cpu") -> dict[str, list[float]]:
    """Losses of a trained network on the same validation pairs for all, a number a batch.

    Args:
        teacher: the full-precision tracker whose maps and features are to be met.
        caches: of sequences that are not trained on.
        options: how pairs are drawn.

    Returns:
        ``task``: against the true boxes; ``teacher``: against the teacher's maps and features, 0 for itself;
        ``features``: of that, the squared error of the features in units of their variance.
    """
    network, _ = load_checkpoint(checkpoint, device)
    trainer = PairTrainer(network, "float32", load_checkpoint(teacher, device)[0], Distillation()).eval()
    pairs = PairDataset(caches, batches * batch_size, SEED, options)
    losses: dict[str, list[float]] = {"task": [], "teacher": [], "features": []}
    with torch.no_grad():
        for batch in DataLoader(pairs, batch_size):
            found = trainer(**{name: value.to(device) for name, value in batch.items()})
            for name, parts in _parts(found).items():
                losses[name].append(float(sum(parts)))
    return losses


def _parts(found: dict[str, Tensor]) -> dict[str, list[Tensor]]:
    taught = {name: value for name, value in found.items()
              if name == "loss_features" or name.startswith("loss_teacher")}
    return {"task": [value for name, value in found.items() if name not in taught],
            "teacher": list(taught.values()), "features": [found["loss_features"]]}
