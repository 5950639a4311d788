"""The commands of further benchmarks, as a user types them, with a peer that needs no training."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from stand_ins import truth, write_frames

from tracker.cli import run


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Run eval/NAME.py in this process with OpenCV's MIL, and return its exit code."""
    def call(name, *arguments):
        shared = ["--peers", "mil", "--peers-only", "--out", tmp_path / "out", "--workers", 1, "--threads", 1]
        monkeypatch.setattr(sys, "argv", [name, *map(str, [*arguments, *shared])])
        with pytest.raises(SystemExit) as ended:
            run(importlib.import_module(f"eval.{name}").main)
        return ended.value.code

    return call


@pytest.mark.parametrize(("name", "options", "benchmark", "split", "results"), [
    ("run_uav123", [], "uav123", "30fps", "uav123-30fps"),
    ("run_uav123", ["--fps", 10], "uav123", "10fps", "uav123-10fps"),
    ("run_uav123", ["--long"], "uav123", "20l", "uav123-20l"),
    ("run_dtb70", [], "dtb70", "all", "dtb70"),
    ("run_trackingnet", [], "trackingnet", "test", "trackingnet-test"),
    ("run_trackingnet", ["--split", "train_0"], "trackingnet", "train_0", "trackingnet-train_0"),
    ("run_otb", [], "otb", "all", "otb"),
    ("run_otb", ["--subset", "otb50"], "otb", "otb50", "otb50"),
])
def test_options_choose_what_is_evaluated(call, monkeypatch, name, options, benchmark, split, results):
    evaluated = []
    command = importlib.import_module(f"eval.{name}")
    monkeypatch.setattr(command, "run_benchmark", lambda dataset, options: evaluated.append(dataset) or 0)
    assert call(name, "--root", "data", *options) == 0
    dataset, = evaluated
    assert (dataset.benchmark, dataset.root, dataset.split, dataset.name) == (benchmark, Path("data"), split, results)


def test_uav123_is_tracked_and_scored(tmp_path, call, capsys):
    write_frames(tmp_path / "data_seq/UAV123/bike1", truth(3), "{:06d}.jpg")
    (tmp_path / "anno/UAV123").mkdir(parents=True)
    np.savetxt(tmp_path / "anno/UAV123/bike1.txt", truth(3) + np.array([1, 1, 0, 0]), "%d", delimiter=",")
    assert call("run_uav123", "--root", tmp_path) == 0, capsys.readouterr()
    row, = json.loads((tmp_path / "out/results.json").read_text())
    assert (row["tracker"], row["method"], row["checkpoint"].split()[0]) == ("mil", "peer", "OpenCV")
    assert "UAV123 rule" in row["protocol"]
    assert (tmp_path / "out/mil/bike1.txt").read_text().startswith("6.0000,9.0000,")  # 1-based


@pytest.mark.parametrize(("arguments", "reason"), [
    (["run_uav123", "--fps", 10], "anno/UAV123_10fps: no SEQUENCE.txt"),
    (["run_uav123", "--fps", 10, "--long"], "not allowed with argument"),
    (["run_dtb70"], "no SEQUENCE/groundtruth_rect.txt"),
    (["run_trackingnet", "--split", "val"], "TrackingNet has no split 'val'"),
    (["run_otb", "--subset", "otb50"], "no SEQUENCE/groundtruth_rect.txt"),
])
def test_wrong_folders_and_options_are_named(tmp_path, call, capsys, arguments, reason):
    assert call(*arguments, "--root", tmp_path) == 2
    assert reason in capsys.readouterr().err
