"""Losses on held-out pairs: equally many of each sequence, and the same for all."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config

from datasets.sources import make_caches
from datasets.synthetic import SyntheticOptions, ensure
from eval.study.held_out import held_out_losses, held_out_pairs
from tests.tracker.conftest import TINY
from tracker.checkpoint import Checkpoint, save_checkpoint
from tracker.models import build_network

CONFIG = Config(dict(data=dict(batch_size=2, pairs=dict())))


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    root = tmp_path_factory.mktemp("held-out")
    ensure(root / "got10k", SyntheticOptions(train_sequences=1, val_sequences=3, train_frames=8, val_frames=8))
    return make_caches(root / "lmdb", {"got10k": root / "got10k"}, "val")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Of two networks that were never trained."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for seed in (0, 1):
        torch.manual_seed(seed)
        save_checkpoint(folder / f"{seed}.pth", build_network(TINY), Checkpoint(TINY, {}))
    return folder / "0.pth", folder / "1.pth"


def test_each_sequence_gives_its_own_pairs_and_always_the_same(caches):
    once, again = held_out_pairs(caches, CONFIG, 2), held_out_pairs(caches, CONFIG, 2)
    assert list(once) == list(caches[0].names)
    first = [batch["search"] for batch in once[caches[0].names[0]]]
    assert [batch.shape[0] for batch in first] == [2, 2]
    for one, other in zip(first, again[caches[0].names[0]], strict=True):
        assert torch.equal(one, other["search"])
    assert {loader.dataset.caches[0].names for loader in once.values()} == {(name,) for name in caches[0].names}
    assert len(caches[0].names) == 3


def test_a_network_is_its_own_teacher_at_no_loss(caches, checkpoints):
    pairs = held_out_pairs(caches, CONFIG, 1)
    own, other = (held_out_losses(checkpoints[0], teacher, pairs) for teacher in checkpoints)
    assert list(own["teacher"]) == list(own["task"]) == list(caches[0].names)
    assert list(own["teacher"].values()) == pytest.approx([0.0] * 3, abs=1e-5)
    assert min(other["teacher"].values()) > 0.01
    assert own["task"] == other["task"]
    assert held_out_losses(checkpoints[0], None, pairs) == {"task": own["task"]}
