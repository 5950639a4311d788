"""Plans that the strategies of `b2nn.search` find for a tracker, on a tiny generated set."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from b2nn.errors import B2nnError
from b2nn.mixed import MixedUnit
from b2nn.plan import load_plan
from tests.tracker.conftest import QUICK, config
from tracker.checkpoint import load_checkpoint
from tracker.errors import TrackerError
from tracker.models import build_network, cost_table
from tracker.runs import find_runs
from tracker.training import candidates, fitting
from tracker.training.gate_plot import plot_gates
from tracker.training.pipeline import Job, check, train


@pytest.mark.parametrize("method", ["evolution", "hessian", "sensitivity", "uniform", "random"])
def test_a_strategy_trains_a_tracker_within_the_budget(folder, caches, method):
    train(Job(config(**QUICK), (method,), (0.5,), folder, caches))
    run, = (run for run in find_runs(folder) if run.name == f"{method}-0.5")
    assert run.summary["method"] == method and run.summary["flops_ratio"] <= 0.5
    assert set(run.summary["seconds"]) == {"search", "finetune"}
    assert set(run.summary["iterations"]) == {"finetune"}
    trace = json.loads((folder / f"{method}-0.5" / "search" / "trace.json").read_text())
    assert trace["strategy"] == method and (trace["forward_passes"] > 0) == (method not in candidates.BLIND)
    plan = load_plan(folder / f"{method}-0.5" / "search" / "plan.json")
    assert plan.trace == "trace.json" and plan.strategy == method


def test_a_killed_search_goes_on_to_the_end_of_a_straight_one(folder, caches, monkeypatch):
    settings = config(**QUICK)
    train(Job(settings, ("sensitivity",), (0.5,), folder, caches))
    search = folder / "sensitivity-0.5" / "search"
    straight = {name: (search / name).read_text() for name in ("plan.json", "trace.json")}
    shutil.rmtree(search.parent)
    shutil.rmtree(folder / "searches")

    calls = iter(range(9))

    class Dying(candidates.PairTrainer):
        def forward(self, *args, **kwargs):
            if next(calls, None) is None:
                raise KeyboardInterrupt
            return super().forward(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(candidates, "PairTrainer", Dying)
        train(Job(settings, ("sensitivity",), (0.5,), folder, caches))
    state, = (folder / "searches").glob("sensitivity-*.jsonl")
    lines = state.read_text().splitlines()
    assert len(lines) == 1 + 4 and not (search / "plan.json").exists()  # two calls of the loss a candidate
    train(Job(settings, ("sensitivity",), (0.5,), folder, caches, resume=True))
    assert state.read_text().splitlines()[:5] == lines
    assert (search / "plan.json").read_text() == straight["plan.json"]
    traces = [json.loads(text) | {"seconds": None} for text in ((search / "trace.json").read_text(),
                                                                straight["trace.json"])]
    assert traces[0] == traces[1]


def test_candidates_are_judged_by_pairs_that_none_is_trained_on(caches):
    job = Job(config(**QUICK), ("iterative",), (0.5,), Path(), caches)
    pairs = [item["search"] for item in (fitting.pairs(job, "search", 6)[index] for index in range(6))]
    assert all(not torch.equal(torch.as_tensor(held), torch.as_tensor(trained))
               for held in pairs[4:] for trained in pairs[:4])


def test_what_cannot_be_enumerated_is_refused_before_anything_is_trained():
    with pytest.raises(B2nnError, match=r"eligible layers have 2\^\d+ mixes"):
        check(Job(config(**{"search.exhaustive.max_units": 2}), ("exhaustive",), (0.5,)))


@pytest.mark.parametrize(("field", "value", "message"), [
    ("search.uniform.keep", "middle", r"search\.uniform\.keep is 'middle'; it must be first or last"),
    ("search.candidates.held_out_batches", 0, r"search\.candidates\.held_out_batches is 0; it must be at least 1"),
    ("search.granularity", 0, r"search\.granularity is 0; it must be at least 1"),
    ("search.granularity", 2.5, r"search\.granularity is 2\.5; it must be an integer"),
    ("search.evolution.elite", 99, r"search\.evolution\.elite is 99; it must be"),
])
def test_options_of_strategies_are_checked(field, value, message):
    with pytest.raises(TrackerError, match=message):
        check(Job(config(**{field: value}), ("random",), (0.5,)))


def test_layers_are_offered_in_parts(folder, caches):
    settings = config(**QUICK, **{"search.granularity": 2, "search.iterations": 3})
    train(Job(settings, ("random", "mixbin", "bnn"), (0.5,), folder, caches))
    whole = cost_table(build_network(settings.model))
    for run in find_runs(folder):
        if run.name in ("fp", "bnn"):
            continue
        plan = load_plan(folder / run.name / "plan.json")
        assert len(plan.names) == 2 * len(whole.eligible) and all(name.endswith("]") for name in plan.names)
        assert run.summary["flops_ratio"] == whole.divided(plan.names).ratio(plan.full) <= 0.5
        network, stored = load_checkpoint(folder / run.name / "checkpoint.pth")
        assert stored.plan.names == plan.names
        assert any(isinstance(module, MixedUnit) for module in network.modules())
        check(Job(settings, ("mixbin",), (0.5,), plan=folder / run.name / "plan.json"))
    assert not any("[" in name for name in load_plan(folder / "bnn" / "plan.json").binary)
    trace = json.loads((folder / "mixbin-0.5" / "search" / "trace.json").read_text())
    assert set(trace["units"]) == set(plan.names)
    with pytest.raises(TrackerError, match=r"another search\.granularity \(2, not 4\)"):
        train(Job(config(**QUICK, **{"search.granularity": 4}), ("random",), (0.5,), folder, caches))
    train(Job(config(**QUICK, **{"search.granularity": 2, "search.lr": 1.0}), ("random",), (0.5,), folder, caches))


def test_parts_count_in_what_can_be_enumerated():
    settings = {"search.exhaustive.max_units": 20}
    check(Job(config(**settings), ("exhaustive",), (0.5,)))
    with pytest.raises(B2nnError, match=r"eligible layers have 2\^\d+ mixes"):
        check(Job(config(**settings, **{"search.granularity": 4}), ("exhaustive",), (0.5,)))


def test_mixbin_stops_when_its_gates_have_decided(folder, caches, capsys):
    # Every gate is less open than 0.26, so that the search is over once its target has reached the budget.
    train(Job(config(**QUICK, **{"search.iterations": 9, "search.mixbin.crisp": 0.26}), ("mixbin",), (0.5,), folder,
              caches))
    assert "all gates crisp after 5 of 9 iterations" in capsys.readouterr().out
    search = folder / "mixbin-0.5" / "search"
    trace = json.loads((search / "trace.json").read_text())
    assert trace["crisp_at"] == trace["steps"][-1]["step"] == 4 and trace["backward_passes"] == 5
    summary = json.loads((folder / "mixbin-0.5" / "summary.json").read_text())
    assert summary["iterations"] == {"search": 5, "finetune": 1}
    assert load_plan(search / "plan.json").ratio <= 0.5
    assert cv2.imread(str(search / "gates.png")) is not None


def test_the_picture_of_the_gates_has_room_for_every_name(tmp_path):
    units = [f"backbone.layer{i // 8 + 1}.{i % 8}.conv" for i in range(32)]
    steps = [{"step": step, "ratio": 1 - step / 200, "gates": list(np.linspace(0, 1, 32) ** (1 + step / 10))}
             for step in range(0, 100, 5)]
    for count in (1, 32):
        trace = {"units": units[:count], "budget": 0.5,
                 "steps": [step | {"gates": step["gates"][:count]} for step in steps]}
        plot_gates(trace, (units[0],), tmp_path / f"{count}.png")
    heights = [cv2.imread(str(tmp_path / f"{count}.png")).shape[0] for count in (1, 32)]
    assert heights[1] - heights[0] >= 31 * 20  # pixels a row
    assert len(list(tmp_path.iterdir())) == 2
