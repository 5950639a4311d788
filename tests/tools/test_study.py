"""`tools/study.py` as a user runs it: trainings, rows, the chapter, and going on."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
rival = "mixbin"
variants = [
    dict(name="taken over", plan_of="mixbin"),
    dict(name="full precision", method="fp"),
    dict(name="mixbin"),
    dict(name="wider", widths=(0.125, 0.1875), overrides={
        "search.width.iterations": 2, "search.width.held_out_batches": 2}),
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


def command(folder: Path, *more: str) -> list[str]:
    return [str(ROOT / "tools" / "study.py"), "--config", str(folder / "tiny.py"), "--got10k", str(folder / "got10k"),
            "--work-dir", str(folder / "work"), *more]


@pytest.fixture
def call(folder, monkeypatch, capsys):
    """The command in this process, which takes no time to begin: exit code, output and errors."""
    from tracker.cli import run

    def serial(function: Callable[..., None], calls: list[tuple[Any, ...]], *_: Any) -> Iterator[tuple[int, None]]:
        for number, arguments in enumerate(calls):
            function(*arguments)
            yield number, None

    for module in ("eval.study.command", "eval.runner"):
        monkeypatch.setattr(f"{module}.in_processes", serial)
    monkeypatch.setattr("tracker.training.fitting.BATCHNORM_BATCHES", 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")

    def call(*more: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", command(folder, *more))
        with pytest.raises(SystemExit) as left:
            run(runpy.run_path(sys.argv[0])["main"])
        shown = capsys.readouterr()
        return int(left.value.code), shown.out, shown.err

    return call


def test_a_study_trains_measures_writes_and_goes_on(folder, call):
    document = folder / "RESULTS.md"
    done = subprocess.run([sys.executable, *command(folder, "--document", str(document), "--only", "full precision")],
                          capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[1/1, about 0 min left]  full precision-seed0: ratio 1.000" in done.stdout
    assert "1 of 4 trainings done" in document.read_text()

    code, out, err = call("--document", str(document))
    assert code == 0, out + err
    assert "4 trainings, 1 done before" in out
    assert "4 of 4 trainings done" in document.read_text()
    runs = folder / "work" / "tiny" / "runs"
    plans = [runs / name / "seed0" / "mixbin-0.5" / "plan.json" for name in ("mixbin", "taken over")]
    assert plans[0].read_text() == plans[1].read_text()
    assert (runs / "wider" / "seed0" / "fp-w0.1875" / "checkpoint.pth").is_file()
    assert (folder / "images" / "study-tiny.png").is_file()
    row = json.loads((folder / "work" / "tiny" / "rows" / "mixbin-0.5-seed0.json").read_text())
    assert row["iterations"]["search"] == 2
    assert row["full_precision_seconds"] > 0


@pytest.mark.parametrize(("before", "after", "message"), [
    ("held_out_batches = 2", "held_out_batches = 3", "made by other settings, of other data"),
    ('"fp.iterations": 2', '"fp.iterations": 3', "the run was made with another fp.iterations (2, not 3)"),
])
def test_what_other_settings_made_is_refused(folder, call, before, after, message):
    assert call("--only", "full precision")[0] == 0
    (folder / "tiny.py").write_text(STUDY.replace(before, after))
    code, _, err = call()
    (folder / "tiny.py").write_text(STUDY)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err


def test_a_full_precision_tracker_of_other_data_is_refused(folder, call):
    from datasets.synthetic import SyntheticOptions, ensure

    assert call("--only", "full precision")[0] == 0
    ensure(folder / "other", SyntheticOptions(train_sequences=3, val_sequences=1, train_frames=20, val_frames=20))
    code, _, err = call("--got10k", str(folder / "other"), "--lmdb", str(folder / "lmdb"))
    assert code == 2
    assert "made with another run.data" in err.splitlines()[-1]


@pytest.mark.parametrize(("arguments", "message"), [
    (["--config", "nonsense"], "no such study; choose activations, budget_keeping, long, methods"),
    (["--only", "magic"], "--only magic: no such variant; there are taken over, full precision"),
    (["--workers", "0"], "--workers 0"),
    (["--got10k", "nowhere"], "nowhere"),
    (["--lasot", "nowhere"], "nowhere"),
    (["--masks", "nowhere"], "--masks: needs --objects"),
    (["--teacher", "nanotrack_v2"], "--teacher-weights"),
])
def test_bad_options_are_one_line(folder, call, arguments, message):
    code, _, err = call("--work-dir", str(folder / "none"), *arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not (folder / "none").exists()
