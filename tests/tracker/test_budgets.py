"""Several budgets from one full-precision tracker, and full-precision trackers from elsewhere."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from pathlib import Path

import pytest
import torch

from b2nn.errors import B2nnError, BudgetError
from tests.tracker.conftest import QUICK, config
from tracker.checkpoint import load_checkpoint
from tracker.errors import TrackerError
from tracker.runs import find_runs
from tracker.training import candidates, fitting, pipeline
from tracker.training.pipeline import Job, check, train


@pytest.fixture
def passes(monkeypatch) -> list[int]:
    """One entry for every batch that a candidate has seen."""
    seen: list[int] = []

    class Counting(candidates.PairTrainer):
        def forward(self, *args, **kwargs):
            seen.append(1)
            return super().forward(*args, **kwargs)

    monkeypatch.setattr(candidates, "PairTrainer", Counting)
    return seen


def trace(run: Path) -> dict:
    return json.loads((run / "search" / "trace.json").read_text())


def test_every_method_is_trained_at_every_budget_and_bnn_once(folder, caches):
    paths = train(Job(config(**QUICK), ("random", "bnn"), (0.5, 0.3), folder, caches))
    assert [path.name for path in paths] == ["fp", "random-0.5", "bnn", "random-0.3"]
    ratios = {run.name: run.summary["flops_ratio"] for run in find_runs(folder)}
    assert ratios["random-0.3"] <= 0.3 < ratios["random-0.5"] <= 0.5


def test_a_second_budget_costs_a_scoring_method_nothing_and_finds_what_it_would_have_found_alone(
        folder, caches, passes, tmp_path_factory):
    train(Job(config(**QUICK), ("sensitivity",), (0.5, 0.3), folder, caches))
    first, second = (trace(folder / f"sensitivity-{budget}") for budget in (0.5, 0.3))
    assert len(passes) == first["forward_passes"] == second["reused"]["forward_passes"]
    assert first["reused"]["forward_passes"] == second["forward_passes"] == 0

    alone = tmp_path_factory.mktemp("alone")
    shutil.copytree(folder / "fp", alone / "fp")
    train(Job(config(**QUICK), ("sensitivity",), (0.3,), alone, caches))
    assert trace(alone / "sensitivity-0.3")["forward_passes"] == first["forward_passes"]
    plans = [(place / "sensitivity-0.3" / "plan.json").read_text() for place in (folder, alone)]
    assert plans[0] == plans[1]


def test_other_data_or_options_share_nothing(folder, caches, passes):
    train(Job(config(**QUICK), ("sensitivity",), (0.5,), folder, caches))
    done = len(passes)
    other = config(**QUICK, **{"search.distillation.features": 0.5})
    train(Job(other, ("sensitivity",), (0.3,), folder, caches))
    assert trace(folder / "sensitivity-0.3")["forward_passes"] == len(passes) - done > 0
    assert len(list((folder / "searches").iterdir())) == 2


def test_a_call_that_was_killed_at_the_second_budget_goes_on_there(folder, caches, monkeypatch):
    job = Job(config(**QUICK), ("random",), (0.5, 0.3), folder, caches)
    fit = pipeline.fit

    def dying(job, phase, place, *args):
        if place.parent.name == "random-0.3":
            raise KeyboardInterrupt
        return fit(job, phase, place, *args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pipeline, "fit", dying)
        train(job)
    assert {run.name for run in find_runs(folder)} == {"fp", "random-0.5"}
    with pytest.raises(TrackerError, match=r"random-0\.3: holds an unfinished run; go on with --resume"):
        train(job)
    train(Job(config(**QUICK), ("random",), (0.5, 0.3), folder, caches, resume=True))
    assert {run.name for run in find_runs(folder)} == {"fp", "random-0.5", "random-0.3"}


def test_a_run_that_another_process_trains_is_waited_for_and_then_used(folder, capsys):
    run = pipeline.RunFolder(folder / "fp", ())
    done = threading.Event()

    def second():
        with run.alone():
            done.set()

    with run.alone():
        waiting = threading.Thread(target=second)
        waiting.start()
        assert not done.wait(0.2)
    waiting.join(5)
    assert done.is_set() and "fp: another process trains it; waiting" in capsys.readouterr().out


@pytest.mark.parametrize(("methods", "budgets", "message"), [
    (("mixbin",), (0.5, 1.2), r"1\.2"),
    (("mixbin",), (0.5, 0.01), "floor"),
    (("mixbin", "random", "pruned"), (0.5, 0.22), "0.22"),
    (("random",), (0.3, 0.30000001), r"--budget: two of 0\.3, 0\.30000001 would have the run directory random-0\.3"),
])
def test_all_budgets_are_checked(methods, budgets, message):
    with pytest.raises((B2nnError, TrackerError), match=message):
        check(Job(config(), methods, budgets))


def test_one_plan_is_for_one_budget(tmp_path):
    with pytest.raises(TrackerError, match=r"plan\.json: is one plan, for one --budget; 2 are given"):
        check(Job(config(), ("mixbin",), (0.5, 0.3), plan=tmp_path / "plan.json"))


@pytest.mark.parametrize("file", ["", "checkpoint.pth"])
def test_a_full_precision_tracker_from_elsewhere_is_the_start_and_is_told(full, caches, tmp_path, monkeypatch, file):
    monkeypatch.setattr(fitting, "BATCHNORM_BATCHES", 1)
    source = full / "fp" / file
    job = Job(config(**QUICK), ("random",), (0.5,), tmp_path, caches, full_precision=source)
    check(job)
    path, = train(job)
    assert not (tmp_path / "fp").exists()
    content = (full / "fp" / "checkpoint.pth").read_bytes()
    wanted = {"path": str(full / "fp" / "checkpoint.pth"), "sha256": hashlib.sha256(content).hexdigest()}
    assert json.loads((path / "summary.json").read_text())["full_precision"] == wanted
    assert wanted["sha256"] in (path / "config.py").read_text()

    # The same tracker as if it had been trained here.
    shutil.copytree(full / "fp", tmp_path / "here" / "fp")
    _, here = train(Job(config(**QUICK), ("random",), (0.5,), tmp_path / "here", caches))
    weights = [load_checkpoint(run / "checkpoint.pth")[0].state_dict() for run in (path, here)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    with pytest.raises(TrackerError, match=r"run was made with another run\.full_precision"):
        train(Job(config(**QUICK), ("random",), (0.5,), tmp_path / "here", caches, full_precision=source))


def test_a_full_precision_tracker_must_be_finished_match_and_be_one(full, folder, caches):
    def refused(path, **overrides):
        with pytest.raises(TrackerError) as error:
            check(Job(config(**overrides), ("random",), (0.9,), full_precision=path))
        return str(error.value)

    assert "no such checkpoint" in refused(folder / "nowhere")
    assert "was made with another model.backbone.width (0.125, not 0.25)" in refused(
        full / "fp", **{"model.backbone.width": 0.25})
    assert "was made with another model.type ('siamese', not 'siamfc')" in refused(
        full / "fp", model=dict(type="siamfc"))
    _, path = train(Job(config(**QUICK), ("random",), (0.5,), folder, caches))
    assert "holds a partly binary tracker" in refused(path)
    (path / "summary.json").unlink()
    assert "holds no finished run" in refused(path)


@pytest.mark.parametrize(("method", "options", "other"), [
    ("fp", {}, "--method fp"), ("mixbin", dict(teacher=("nanotrack_v2", Path("t.pth"))), "--teacher"),
    ("mixbin", dict(pretrained=Path("p.pth")), "--pretrained"), ("mixbin", dict(widths=(0.25,)), "--width")])
def test_a_full_precision_tracker_excludes_what_would_train_one(full, method, options, other):
    with pytest.raises(TrackerError, match=f"--full-precision .*: takes the place of .* leave it or {other} out"):
        check(Job(config(), (method,), (0.5,), full_precision=full / "fp", **options))


def test_a_budget_below_every_floor_is_refused_for_all_budgets():
    with pytest.raises(BudgetError, match="floor"):
        check(Job(config(), ("uniform",), (0.01, 0.5)))
