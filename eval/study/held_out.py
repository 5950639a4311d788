"""Losses on pairs that nothing was trained on: they separate networks sooner than any score of a few sequences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from torch.utils.data import DataLoader

from datasets.lmdb_cache import LmdbCache
from datasets.pairs import PairDataset
from tracker.checkpoint import load_checkpoint
from tracker.losses import Distillation
from tracker.training.module import PairTrainer
from tracker.validation import pair_options

SEED = 2_000_003  # of no training phase


def held_out_pairs(caches: Sequence[LmdbCache], config: Config, batches: int) -> dict[str, DataLoader]:
    """So many batches of pairs of each sequence, by its name.

    Args:
        caches: of sequences that are not trained on.
        config: how pairs are drawn, and how many are a batch.
    """
    size = config.data.batch_size
    alone = [(cache.only(name), name) for cache in caches for name in cache.names]
    return {name: DataLoader(PairDataset([cache], batches * size, SEED + number, pair_options(config, "finetune")),
                             size)
            for number, (cache, name) in enumerate(alone)}


def held_out_losses(checkpoint: Path, teacher: Path | None, pairs: dict[str, DataLoader],
                    device: str = "cpu") -> dict[str, dict[str, float]]:
    """Losses of a trained network, a number a sequence.

    Args:
        teacher: the full-precision tracker whose maps and features are to be met; None leaves that loss out.
        pairs: by sequence, the same for all that are compared.

    Returns:
        ``task``: against the true boxes; ``teacher``: against the teacher's maps and features, 0 for itself.
    """
    known = None if teacher is None else load_checkpoint(teacher, device)[0]
    trainer = PairTrainer(load_checkpoint(checkpoint, device)[0], "float32", known, Distillation()).eval()
    losses: dict[str, dict[str, float]] = {"task": {}} if teacher is None else {"task": {}, "teacher": {}}
    with torch.no_grad():
        for name, batches in pairs.items():
            found = [trainer(**{key: value.to(device) for key, value in batch.items()}) for batch in batches]
            for loss, values in losses.items():
                parts = [float(part) for one in found for key, part in one.items()
                         if (loss == "teacher") == (key == "loss_features" or key.startswith("loss_teacher"))]
                values[name] = sum(parts) / len(found)
    return losses
