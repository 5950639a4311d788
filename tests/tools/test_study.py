"""`tools/study.py` as a user runs it: trainings, rows, the chapter, and going on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUDY = """
title = "Tiny"
config = "demo"
overrides = {
    "model.backbone.width": 0.125, "model.neck_channels": 8, "model.head.channels": 8, "data.batch_size": 2,
    "data.workers": 0, "fp.iterations": 2, "search.iterations": 2, "finetune.iterations": 2,
    "runtime.precision": "float32"}
budgets = (0.5,)
held_out_batches = 2
variants = [
    dict(name="taken over", plan_of="mixbin"),
    dict(name="full precision", method="fp"),
    dict(name="mixbin"),
]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A GOT-10k folder with one short sequence to measure on, and a study."""
    from datasets.synthetic import SyntheticOptions, ensure

    root = tmp_path_factory.mktemp("study")
    ensure(root / "got10k", SyntheticOptions(train_sequences=2, val_sequences=1, train_frames=20, val_frames=20))
    (root / "tiny.py").write_text(STUDY)
    return root


def run(folder: Path, *more: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "study.py"), "--config", str(folder / "tiny.py"), "--got10k",
         str(folder / "got10k"), "--work-dir", str(folder / "work"), *more],
        capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"})


def test_a_study_trains_measures_writes_and_goes_on(folder):
    document = folder / "RESULTS.md"
    done = run(folder, "--document", str(document), "--only", "full precision")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[1/1, about 0 min left]  full precision-seed0: ratio 1.000" in done.stdout
    assert "1 of 3 trainings done" in document.read_text()

    done = run(folder, "--document", str(document))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 trainings, 1 done before" in done.stdout
    assert "3 of 3 trainings done" in document.read_text()
    runs = folder / "work" / "tiny" / "runs"
    plans = [runs / name / "seed0" / "mixbin-0.5" / "plan.json" for name in ("mixbin", "taken over")]
    assert plans[0].read_text() == plans[1].read_text()
    assert (folder / "images" / "study-tiny.png").is_file()

    (folder / "tiny.py").write_text(STUDY.replace("held_out_batches = 2", "held_out_batches = 3"))
    other = run(folder)
    (folder / "tiny.py").write_text(STUDY)
    assert (other.returncode, other.stderr.count("\n")) == (2, 1)
    assert "made by other settings of the study" in other.stderr


@pytest.mark.parametrize(("arguments", "message"), [
    (["--config", "nonsense"], "no such study; choose activations, methods"),
    (["--only", "magic"], "--only magic: no such variant; there are taken over, full precision"),
    (["--workers", "0"], "--workers 0"),
    (["--got10k", "nowhere"], "nowhere"),
    (["--lasot", "nowhere"], "nowhere"),
    (["--masks", "nowhere"], "--masks: needs --objects"),
    (["--teacher", "nanotrack_v2"], "--teacher-weights"),
])
def test_bad_options_are_one_line(folder, arguments, message):
    done = run(folder, "--work-dir", str(folder / "other"), *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (folder / "other").exists()
