"""What the training command makes of the options that name data."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.opencv import cv2
from datasets.synthetic import SyntheticOptions, ensure
from tracker.errors import TrackerError
from tracker.training import command, data

TINY = SyntheticOptions(train_sequences=2, val_sequences=0, train_frames=2, size=(96, 96))
NOTHING = dict.fromkeys(("budget", "lasot", "images", "objects", "masks", "lmdb", "work_dir", "plan", "pretrained",
                         "teacher", "teacher_weights", "full_precision", "width"))


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Run the command in an empty folder where the embedded set is tiny; gives what would have been trained."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data.generated, "SyntheticOptions", lambda: TINY)
    taken = []
    monkeypatch.setattr(command, "train", lambda job: taken.append(job) or [])
    real = ensure(tmp_path / "GOT-10k", TINY)

    def run(**options):
        command.train_from_options(**(NOTHING | dict(
            method="fp", budget_metric="flops", latency_precision="float32", baselines=False, config="demo",
            got10k=real, synthetic=False,
            resume=False, seed=0, device="cpu", cfg_options=[]) | options))
        return taken.pop()

    return run


def test_the_generated_set_stands_in_for_data_or_joins_it(jobs):
    def sources(**options):
        return [cache.folder.name for cache in jobs(**options).caches]

    assert sources() == ["got10k-train"]
    assert sources(synthetic=True) == ["got10k-train", "synthetic-train"]
    assert sources(got10k=None) == ["synthetic-train"]


def test_masked_objects_are_handed_to_the_training(jobs, tmp_path):
    assert jobs().objects is None
    mask = cv2.circle(np.zeros((96, 96), np.uint8), (48, 48), 20, 255, -1)
    (tmp_path / "masks/synthetic_train_000001").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "masks/synthetic_train_000001/00000001.png"), mask)
    job = jobs(objects=tmp_path / "GOT-10k/train", masks=tmp_path / "masks")
    assert job.objects.names == ("synthetic_train_000001",)


@pytest.mark.parametrize(("given", "missing"), [("objects", "masks"), ("masks", "objects")])
def test_objects_and_masks_go_together(jobs, tmp_path, given, missing):
    with pytest.raises(TrackerError, match=f"--{given}: needs --{missing} beside it"):
        jobs(**{given: tmp_path})
