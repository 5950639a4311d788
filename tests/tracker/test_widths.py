"""The width that is searched along with the plan: equal cost, one measure, and steps that are not done twice."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from b2nn.errors import BudgetError
from tests.tracker.conftest import QUICK, TINY, config
from tracker.checkpoint import load_checkpoint
from tracker.errors import TrackerError
from tracker.models import build_network, cost_table
from tracker.runs import find_runs
from tracker.training import fitting, pipeline, width_search
from tracker.training.pipeline import Job, check, train
from tracker.training.widths import own_budget, sized_networks

WIDTHS = (0.0625, 0.125, 0.1875)
TABLES = [cost_table(build_network({**TINY, "backbone": {**TINY["backbone"], "width": width}})) for width in WIDTHS]
JUDGED = QUICK | {"search.width": dict(iterations=2, held_out_batches=3), "fp.iterations": 2, "search.iterations": 2}


@given(st.integers(0, 2), st.randoms(use_true_random=False).map(lambda draw: draw.randrange(32 * TABLES[1].total)))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_the_budget_of_a_width_never_costs_more_than_the_budget(index, grains):
    table, total = TABLES[index], TABLES[1].total
    # The number just below what some network costs: dividing it may round up to that cost.
    budget = math.nextafter(min(1.0, (grains + 1) * 2 / 64 / total), 0)
    share = own_budget(table, budget, total)
    if share is None:
        assert table.counted(()) / total > budget
        return
    most = (table.counted(()) + table.capacity(share)) / total
    assert most <= budget and table.floor <= share <= 1
    if share < 1:  # and uses it: not one more weight could be in full precision
        assert most + 2 / 64 / total > budget * (1 - 1e-12)


def test_the_floor_of_a_wider_network_can_be_too_dear():
    too_dear = math.nextafter(TABLES[2].counted(()) / TABLES[1].total, 0)
    assert [one.budget is None for one in sized_networks(config(), WIDTHS, too_dear)] == [False, False, True]
    with pytest.raises(BudgetError, match=r"--width: no width can meet --budget 0\.01; .* 0\.1875 has 0\.\d{4}"):
        check(Job(config(), ("mixbin",), (0.5, 0.01), widths=WIDTHS))


@pytest.fixture(scope="module")
def trained(caches, tmp_path_factory) -> tuple[Path, list[Path]]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "BATCHNORM_BATCHES", 1)
        job = Job(config(**JUDGED), ("mixbin", "random"), (0.5,), folder, caches, widths=WIDTHS[1:])
        check(job)
        return folder, train(job)


def test_each_width_has_its_tracker_and_the_best_one_its_run(trained):
    folder, paths = trained
    names = ["fp", "fp-w0.1875", "mixbin-0.5-width", "random-0.5-width"]
    assert [path.name for path in paths] == names == [run.name for run in find_runs(folder)]
    for name in names[2:]:
        told = json.loads((folder / name / "search" / "width.json").read_text())
        summary = json.loads((folder / name / "summary.json").read_text())
        rows = {row["width"]: row for row in told["candidates"]}
        assert list(rows) == list(WIDTHS[1:])
        assert told["chosen"] == summary["width"] == min(rows, key=lambda width: rows[width]["loss"])
        for row in rows.values():
            assert row["flops_ratio"] <= 0.5 and len(row["losses"]) == 3
            assert row["loss"] == pytest.approx(sum(row["losses"]) / 3)
            assert row["standard_error"] == pytest.approx(torch.tensor(row["losses"]).std().item() / 3 ** 0.5, rel=1e-3)
            assert set(row["seconds"]) == {"search", "finetune"}
        assert rows[0.1875]["binary_units"] > 0 and rows[0.1875]["budget"] < rows[0.125]["budget"] == 0.5
        assert summary["flops_ratio"] == rows[told["chosen"]]["flops_ratio"]
        assert summary["fp_flops"] == told["reference_flops"] == TABLES[1].total
        assert set(summary["seconds"]) == {"search", "width", "finetune"}
        # Of both widths together; a random plan trains nothing.
        assert summary["iterations"] == {"finetune": 1} | ({"search": 4} if name.startswith("mixbin") else {})
        _, stored = load_checkpoint(folder / name / "checkpoint.pth")
        assert stored.model["backbone"]["width"] == told["chosen"]
        assert summary["counted_flops"] == cost_table(build_network(stored.model)).counted(stored.plan.full)


def test_a_full_precision_tracker_of_another_width_is_told_relative_to_the_configurations(trained):
    summaries = {run.name: run.summary for run in find_runs(trained[0])}
    assert summaries["fp"]["flops_ratio"] == 1
    assert summaries["fp-w0.1875"]["flops_ratio"] == TABLES[2].total / TABLES[1].total > 1


def test_widths_are_judged_by_pairs_that_none_is_trained_on_and_all_by_the_same(caches):
    job = Job(config(), ("mixbin",), (0.5,), Path(), caches)
    held = [torch.as_tensor(fitting.pairs(job, "width", 3)[index]["search"]) for index in range(3)]
    for phase in ("fp", "search", "finetune"):
        others = fitting.pairs(job, phase, 3)
        assert not any(torch.equal(one, torch.as_tensor(others[index]["search"])) for one in held for index in range(3))


@pytest.mark.parametrize("killed", ["search", "finetune", "judge", "best"])
def test_a_killed_width_search_goes_on_where_it_was(trained, caches, tmp_path, monkeypatch, killed):
    monkeypatch.setattr(fitting, "BATCHNORM_BATCHES", 1)
    straight = trained[0] / "random-0.5-width"
    job = Job(config(**JUDGED), ("random",), (0.5,), tmp_path, caches, widths=WIDTHS[1:], resume=True)
    for name in ("fp", "fp-w0.1875"):
        (tmp_path / name).symlink_to(trained[0] / name)
    place, name = {"search": (width_search, "find_plan"), "finetune": (width_search, "fit"),
                   "judge": (width_search, "_held_out_losses"), "best": (pipeline, "fit")}[killed]
    calls, real = [], getattr(place, name)

    def dying(*args):
        calls.append(args)
        if len(calls) == (1 if killed == "best" else 2):  # of the second width
            raise KeyboardInterrupt
        return real(*args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(place, name, dying)
        train(job)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("random*/search/*/*.json")}
    assert kept
    train(job)
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    told = [json.loads((run / "search" / "width.json").read_text()) for run in (tmp_path / straight.name, straight)]
    for one in told:
        for row in one["candidates"]:
            del row["seconds"]
    assert told[0] == told[1]


def test_a_width_whose_floor_is_too_dear_is_named_and_skipped(caches, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fitting, "BATCHNORM_BATCHES", 1)
    budget = TABLES[1].floor + 1e-6
    job = Job(config(**JUDGED), ("random",), (budget,), tmp_path, caches, widths=WIDTHS[1:])
    check(job)
    paths = train(job)
    assert [path.name for path in paths] == ["fp", f"random-{budget:g}-width"]
    assert "width 0.1875: skipped, for with every eligible layer binary it still costs" in capsys.readouterr().out
    skipped = json.loads((paths[1] / "search" / "width.json").read_text())["candidates"][1]
    assert skipped["budget"] is None and "loss" not in skipped


@pytest.mark.parametrize(("methods", "options", "message"), [
    (("fp",), {}, "--method fp out"),
    (("pruned",), {}, "--method pruned out"),
    (("mixbin",), dict(plan=Path("plan.json")), "--plan out"),
    (("mixbin",), dict(pretrained=Path("p.pth")), "--pretrained out"),
    (("bnn",), dict(budgets=()), "--method bnn needs --budget"),
    (("mixbin",), dict(widths=(0.25, 9)), "--width 9: .*width is 9"),
    (("mixbin",), dict(widths=(0.25, 0.25)), r"--width 0\.25 0\.25: a width is named twice"),
    (("mixbin",), dict(config=config(model=dict(type="siamfc"))), r"model\.type siamfc has no model\.backbone\.width"),
])
def test_what_has_no_width_to_search_is_refused(methods, options, message):
    with pytest.raises(TrackerError, match=message):
        check(Job(**(dict(config=config(), methods=methods, budgets=(0.5,), widths=(0.25,)) | options)))


@pytest.mark.parametrize(("field", "value"), [("iterations", 0), ("held_out_batches", 1)])
def test_options_of_the_judgement_are_checked(field, value):
    with pytest.raises(TrackerError, match=rf"search\.width\.{field} is {value}; it must be at least"):
        check(Job(config(**{f"search.width.{field}": value}), ("mixbin",), (0.5,), widths=(0.25,)))
