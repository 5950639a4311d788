"""The command as a user types it, on a tracker of a few channels; nothing here asks how fast anything was."""

from __future__ import annotations

import importlib
import json
import sys

import numpy as np
import pytest
import torch

from b2nn.plan import all_binary, all_full
from eval.benchmarking import command, contestants
from eval.benchmarking.calls import update_calls
from eval.benchmarking.footage import generated_footage
from eval.benchmarking.lineup import distinct_names
from tracker.checkpoint import Checkpoint, save_checkpoint, shaped_network
from tracker.cli import run
from tracker.errors import TrackerError
from tracker.models import build_network, cost_table
from tracker.online import load_tracker

TINY = dict(type="siamese", backbone=dict(width=0.125, stride=16, stem="light", shortcut="conv", activation="prelu"),
            neck_channels=8, template_cells=5, head=dict(channels=8, depth=1, activation="prelu"))


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A tracker in full precision and a binary one."""
    folder = tmp_path_factory.mktemp("runs")
    table = cost_table(build_network(TINY))
    for name, plan in (("fp", all_full(table)), ("bnn", all_binary(table))):
        (folder / name).mkdir()
        torch.manual_seed(0)
        stored = Checkpoint(TINY, {}, plan)
        save_checkpoint(folder / name / "checkpoint.pth", shaped_network(stored).eval(), stored)
        (folder / name / "summary.json").write_text("{}")
    return folder


@pytest.fixture(scope="session")
def footage():
    return generated_footage(2)


@pytest.fixture
def call(monkeypatch, footage):
    """Run eval/benchmark.py in this process with one short round, and return its exit code."""
    monkeypatch.setattr(command, "generated_footage", lambda updates: footage)

    def call(*arguments):
        short = ["--frames", 2, "--rounds", 1, "--threads", 1]
        monkeypatch.setattr(sys, "argv", ["benchmark.py", *map(str, [*short, *arguments])])
        with pytest.raises(SystemExit) as ended:
            run(importlib.import_module("eval.benchmark").main)
        return ended.value.code

    return call


def kinds(rows):
    return [(row["contestant"], row["fp_precision"]) for row in rows]


OWN = [("torch", "float32"), ("packed", "float32"), ("packed", "bf16"), ("packed", "int8")]


def test_all_forms_of_all_trackers_are_timed(runs, tmp_path, call, nanotrack_folder, capsys):
    checkpoints = [runs / name / "checkpoint.pth" for name in ("bnn", "fp")]
    assert call("--checkpoint", *checkpoints, "--nanotrack", nanotrack_folder, "--json", tmp_path / "t.json") == 0, \
        capsys.readouterr()
    rows = json.loads((tmp_path / "t.json").read_text())
    others = [("fp, torch", "bf16"), ("fp, onnxruntime", "float32"), ("fp, onnxruntime", "int8")]
    own = {name: [(f"{name}, {form}", precision) for form, precision in OWN] for name in ("fp", "bnn")}
    peers = [(f"nanotrack_{version}, onnxruntime", "float32") for version in ("v2", "v3")]
    assert kinds(rows) == [*own["fp"][:1], *others, *own["fp"][1:], *own["bnn"], *peers]
    assert all(row["network_ms"] > 0 and row["update_ms"] > 0 for row in rows)
    assert (rows[0]["network_ratio"], rows[0]["threads"]) == (1, 1)
    out = capsys.readouterr().out
    assert "time over that of fp, torch, float32" in out
    assert "854 x 480" in out


def test_a_packed_file_races_and_a_missing_package_is_named(runs, tmp_path, call, capsys, monkeypatch):
    from b2nn.packed import save
    from tracker.packed import pack_network

    network, stored = contestants.load_checkpoint(runs / "bnn/checkpoint.pth")
    save(tmp_path / "tiny.packed", pack_network(network, stored, "bf16"))

    def missing():
        raise TrackerError("ONNX needs onnx; pip install it")

    monkeypatch.setattr(contestants, "require_onnx", missing)
    files = [runs / "fp/checkpoint.pth", tmp_path / "tiny.packed"]
    assert call("--checkpoint", *files, "--nanotrack", tmp_path, "--json", tmp_path / "t.json") == 0
    assert kinds(json.loads((tmp_path / "t.json").read_text()))[-1] == ("tiny, file", "bf16")
    out = " ".join(capsys.readouterr().out.split())
    assert "Left out: fp, onnxruntime, float32 and int8: ONNX needs onnx; pip install it." in out
    assert "Left out: nanotrack_v2" in out


def test_untrained_networks_with_random_plans(tmp_path, call, monkeypatch, capsys):
    monkeypatch.setattr(contestants, "PRECISIONS", ("float32",))
    monkeypatch.setattr(contestants, "other_runtimes", lambda *arguments: ([], []))
    monkeypatch.setattr("eval.benchmarking.lineup.other_runtimes", lambda *arguments: ([], []))
    assert call("--config", "demo", "--random-plans", 0.3, "--json", tmp_path / "t.json") == 0, capsys.readouterr()
    rows = json.loads((tmp_path / "t.json").read_text())
    assert kinds(rows) == [(f"{name}, {form}", "float32") for name in ("fp", "random-0.3", "bnn")
                           for form in ("torch", "packed")]
    assert [row["budget"] for row in rows] == [None, None, 0.3, 0.3, None, None]


def test_ctrl_c_shows_what_there_is(runs, tmp_path, call, monkeypatch, capsys):
    def interrupted(options, threads, progress):
        yield 0
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_shown", interrupted)
    monkeypatch.setattr(contestants, "PRECISIONS", ())
    assert call("--checkpoint", runs / "fp/checkpoint.pth", "--json", tmp_path / "t.json") == 130
    assert len(json.loads((tmp_path / "t.json").read_text())) == 4
    out = capsys.readouterr().out
    assert "1 thread: time over" in out
    assert "Interrupted" in out


@pytest.mark.parametrize(("arguments", "reason"), [
    (["--random-plans", 0.3], "--random-plans and --config go together"),
    (["--config", "demo", "--random-plans", 0.3, "--checkpoint", "x"], "takes no --checkpoint"),
    (["--rounds", 0], "--rounds 0: must be more than 0"),
    (["--frames", 1], "--frames 1: must be at least 2"),
    (["--plot", "x.png"], "--plot and --results go together"),
    (["--json", "no/such/x.json"], "there is no folder no/such"),
    (["--checkpoint", "RUNS/bnn/checkpoint.pth"], "none of the checkpoints is in full precision"),
    (["--checkpoint", "RUNS/fp/checkpoint.pth", "RUNS/fp/checkpoint.pth"], "is named twice"),
    (["--work-dir", "no/such"], "no trained tracker"),
    (["--sequence", "no/such"], "no/such: image folder not found"),
])
def test_what_cannot_be_is_said_in_one_line(call, runs, capsys, arguments, reason):
    assert call(*(str(one).replace("RUNS", str(runs)) for one in arguments)) == 2
    error = capsys.readouterr().err.splitlines()
    assert reason in error[-1]
    assert error[-1].startswith("error: ")


def test_names_are_as_long_as_it_takes(tmp_path):
    def named(*paths):
        return distinct_names([tmp_path / path for path in paths])

    assert named("a/fp/checkpoint.pth", "a/mix/checkpoint.pth", "b/x.packed") == ["fp", "mix", "x"]
    assert named("a/s/fp/checkpoint.pth", "b/s/fp/checkpoint.pth") == ["a/s/fp", "b/s/fp"]


def test_updates_begin_at_the_true_box_each_time(runs, footage):
    calls = update_calls(load_tracker(runs / "fp/checkpoint.pth"), footage)
    first, again = ([call().box for call in calls] for _ in range(2))
    np.testing.assert_array_equal(first, again)
