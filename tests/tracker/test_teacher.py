"""A tracker learns from a published one: its head at once, its features, then its answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tracker.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tracker.config import load_config
from tracker.errors import CheckpointError, TrackerError
from tracker.losses import feature_error
from tracker.models import build_network
from tracker.training import fitting
from tracker.training.pipeline import Job, check, train
from tracker.training.teacher import MimicTrainer, adopt_head, check_pupil, load_teacher

TEACHER = {"type": "nanotrack", "version": 2}
PUPIL = {**TEACHER, "backbone": dict(width=0.125, stride=16, stem="light", shortcut="conv", activation="prelu")}


@pytest.fixture
def weights(tmp_path) -> Path:
    """A checkpoint of NanoTrack 2 with weights that nobody trained."""
    torch.manual_seed(3)
    save_checkpoint(tmp_path / "teacher.pth", build_network(TEACHER), Checkpoint(TEACHER))
    return tmp_path / "teacher.pth"


def pairs(batch: int = 2) -> dict[str, torch.Tensor]:
    return dict(template=torch.randint(0, 255, (batch, 3, 127, 127), dtype=torch.uint8),
                search=torch.randint(0, 255, (batch, 3, 255, 255), dtype=torch.uint8),
                box=torch.zeros(batch, 4), positive=torch.zeros(batch))


def test_the_file_must_hold_the_named_teacher(weights, tmp_path, tiny_network, tiny_model):
    assert load_teacher("nanotrack_v2", weights).config.version == 2
    with pytest.raises(TrackerError, match=r"teacher\.pth: holds v2, not --teacher nanotrack_v3"):
        load_teacher("nanotrack_v3", weights)
    save_checkpoint(tmp_path / "ours.pth", tiny_network, Checkpoint(tiny_model))
    with pytest.raises(TrackerError, match=r"ours\.pth: holds siamese"):
        load_teacher("nanotrack_v2", tmp_path / "ours.pth")
    with pytest.raises(CheckpointError, match="nowhere"):
        load_teacher("nanotrack_v2", tmp_path / "nowhere.pth")


def test_only_a_pupil_with_the_same_head_can_be_taught(tiny_network):
    check_pupil(build_network(PUPIL), "nanotrack_v2")
    for network, name in ((tiny_network, "nanotrack_v2"), (build_network(PUPIL), "nanotrack_v3")):
        with pytest.raises(TrackerError, match=f"--teacher {name}: the student must have its head"):
            check_pupil(network, name)


def test_the_whole_head_is_taken_over_and_a_plain_one_as_far_as_it_is_the_same(weights):
    teacher = load_teacher("nanotrack_v2", weights)
    kernel, features = torch.randn(1, 48, 8, 8), torch.randn(1, 48, 16, 16)
    pupil = build_network(PUPIL).eval()
    adopt_head(pupil, teacher)
    torch.testing.assert_close(pupil.respond(kernel, features).box, teacher.respond(kernel, features).box)

    plain = build_network({**PUPIL, "tower": "plain", "channels": 16, "depth": 1})
    taken = adopt_head(plain, teacher)
    assert "cls.pixel.kernel.0" in taken and not any(".tower." in name for name in taken)


def test_the_error_of_features_is_zero_for_the_same_and_one_for_a_constant():
    wanted = 5 + 3 * torch.randn(4, 6, 8, 8)
    assert feature_error(wanted, wanted) == 0
    assert feature_error(wanted.mean((0, 2, 3), keepdim=True), wanted) == pytest.approx(1, abs=0.01)


def test_a_mimic_that_is_its_teacher_has_nothing_to_learn(weights):
    mimic = MimicTrainer(load_teacher("nanotrack_v2", weights), load_teacher("nanotrack_v2", weights)).eval()
    losses = mimic(**pairs())
    assert {name: float(loss.detach()) for name, loss in losses.items()} == pytest.approx(
        {"loss_template": 0, "loss_search": 0}, abs=1e-6)


def test_training_with_a_teacher_has_a_phase_of_mimicry_and_its_own_provenance(weights, caches, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "BATCHNORM_BATCHES", 1)
    settings = load_config("nano", {
        "model": PUPIL, "data.batch_size": 2, "data.workers": 0, "fp.iterations": 2, "fp.mimic.iterations": 3,
        "search.iterations": 2, "finetune.iterations": 1, "runtime.precision": "float32"})
    lesson = ("nanotrack_v2", weights)
    check(Job(settings, ("mixbin",), (0.5,), teacher=lesson))
    fp, mixbin = train(Job(settings, ("mixbin",), (0.5,), tmp_path / "runs", caches, teacher=lesson))
    assert (fp / "mimic").is_dir()
    _, stored = load_checkpoint(mixbin / "checkpoint.pth")
    assert stored.plan.ratio <= 0.5
    assert any(name.startswith(("cls.tower", "box.tower")) for name in (*stored.plan.full, *stored.plan.binary))
    with pytest.raises(TrackerError, match=r"run\.teacher"):
        train(Job(settings, ("fp",), (), tmp_path / "runs", caches))
