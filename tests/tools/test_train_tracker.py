"""`tools/train_tracker.py` as a user runs it: errors of one line, two processes, a kill in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK = [
    "model.backbone.width=0.125", "model.neck_channels=8", "model.head.channels=8", "data.batch_size=2",
    "data.workers=0", "fp.iterations=40", "search.iterations=3", "finetune.iterations=3",
    "runtime.checkpoint_interval=2", "runtime.log_interval=1", "runtime.precision='float32'",
]


@pytest.fixture(scope="module")
def lmdb(tmp_path_factory) -> Path:
    """Caches of a tiny GOT-10k folder, which the first run of the module builds."""
    from datasets.synthetic import SyntheticOptions, ensure

    root = tmp_path_factory.mktemp("data")
    ensure(root / "got10k", SyntheticOptions(train_sequences=2, val_sequences=1, train_frames=20, val_frames=20))
    return root


def command(lmdb: Path, folder: Path, *more: str, options: tuple[str, ...] = ()) -> list[str]:
    return [str(ROOT / "tools" / "train_tracker.py"), "--got10k", str(lmdb / "got10k"), "--lmdb", str(lmdb / "lmdb"),
            "--work-dir", str(folder), *more, "--cfg-options", *QUICK, *options]


def run(arguments: list[str], **kwargs) -> subprocess.CompletedProcess:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, timeout=300,
                          **kwargs)


def test_help_names_every_option():
    text = run([str(ROOT / "tools" / "train_tracker.py"), "--help"]).stdout
    for option in ("--budget", "--method", "--baselines", "--config", "--got10k", "--lasot", "--images", "--synthetic",
                   "--objects", "--masks", "--work-dir",
                   "--plan", "--full-precision", "--width", "--pretrained", "--resume", "--seed", "--device",
                   "--cfg-options"):
        assert option in text


@pytest.mark.parametrize(("arguments", "message"), [
    (["--budget", "0"], "budget"),
    (["--budget", "1.2"], "budget"),
    (["--budget", "0.01"], "floor"),
    ([], "--budget"),
    (["--budget", "0.5", "--config", "nonsense"], "no such preset"),
    (["--budget", "0.5", "--got10k", "nowhere"], "nowhere"),
    (["--budget", "0.5", "--plan", "nowhere.json"], "nowhere.json"),
    (["--budget", "0.5", "--cfg-options", "fp.speed=1"], "fp.speed"),
    (["--budget", "0.5", "--device", "abacus"], "--device abacus"),
    (["--budget", "0.5", "0.01"], "floor"),
    (["--budget", "0.5", "--full-precision", "nowhere"], "nowhere"),
    (["--budget", "0.5", "--width", "0.25", "--method", "pruned"], "--method pruned"),
    (["--width", "0.25"], "--budget"),
])
def test_bad_options_are_one_line_and_exit_code_2(arguments, message, tmp_path):
    result = run([str(ROOT / "tools" / "train_tracker.py"), "--work-dir", str(tmp_path / "run"), *arguments],
                 cwd=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_a_killed_run_resumes_into_a_finished_tracker(lmdb, tmp_path):
    arguments = command(lmdb, tmp_path / "runs", "--budget", "0.5")
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    phase = tmp_path / "runs" / "fp" / "fp"
    deadline = time.monotonic() + 120
    while not list(phase.glob("iter_*.pth")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "runs" / "fp" / "summary.json").exists()

    refused = run(arguments)
    assert refused.returncode == 2 and "--resume" in refused.stderr

    arguments.insert(1, "--resume")
    result = run(arguments)
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "runs" / "mixbin-0.5" / "summary.json").read_text())
    assert summary["method"] == "mixbin" and summary["flops_ratio"] <= 0.5


def test_two_processes_train_one_tracker(lmdb, tmp_path):
    arguments = command(lmdb, tmp_path / "runs", "--budget", "0.5", options=("fp.iterations=3",))
    result = run(["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments])
    assert result.returncode == 0, result.stderr[-2000:]
    summary = json.loads((tmp_path / "runs" / "mixbin-0.5" / "summary.json").read_text())
    assert summary["processes"] == 2
