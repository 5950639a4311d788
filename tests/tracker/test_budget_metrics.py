"""Budgets by memory and latency: tables, the cache of times, and training within them."""

from __future__ import annotations

import json

import pytest
import torch

from b2nn.errors import B2nnError
from b2nn.packed.library import library
from tests.tracker.test_strategies import QUICK
from tests.tracker.test_training import config
from tracker import budget_metrics
from tracker.budget_metrics import budget_table, layer_times
from tracker.errors import TrackerError
from tracker.models import cost_table
from tracker.runs import find_runs
from tracker.training import fitting
from tracker.training.pipeline import Job, check, train

needs_kernels = pytest.mark.skipif(library() is None, reason="no compiled kernels to measure bits with")


def test_flops_are_the_table_that_always_was(tiny_network):
    assert budget_table(tiny_network, "flops") == cost_table(tiny_network)


def test_an_unknown_metric_is_named(tiny_network):
    with pytest.raises(TrackerError, match="--budget-metric watts: choose one of flops, latency, memory"):
        budget_table(tiny_network, "watts")


@needs_kernels
def test_times_are_measured_once_for_a_network_a_machine_and_a_number_of_threads(tiny_network, tmp_path, monkeypatch):
    table = cost_table(tiny_network)
    first = layer_times(tiny_network, table, tmp_path)
    file, = tmp_path.glob("*.json")
    assert json.loads(file.read_text())["key"]["threads"] == 1
    monkeypatch.setattr(budget_metrics, "measure_layers", lambda *_: pytest.fail("measured again"))
    assert layer_times(tiny_network, table, tmp_path) == first
    torch.set_num_threads(2)
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        layer_times(tiny_network, table, tmp_path)


@needs_kernels
@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_full_precision_is_measured_as_it_will_run_and_the_file_says_so(tiny_network, tmp_path, precision):
    table = cost_table(tiny_network)
    seconds, whole = layer_times(tiny_network, table, tmp_path, precision)
    file, = tmp_path.glob("*.json")
    assert file.name.startswith(f"{precision}-")
    assert json.loads(file.read_text())["key"]["full_precision"] == precision
    assert set(seconds) == {unit.name for unit in table.units} and all(entry.full >= 0 for entry in seconds.values())
    assert 0 < sum(entry.full for entry in seconds.values()) < 3 * whole


def test_what_latency_alone_has_is_refused_beside_other_metrics():
    with pytest.raises(TrackerError, match="--latency-precision int8: of --budget-metric latency only, not of flops"):
        check(Job(config(**QUICK), ("mixbin",), (0.4,), latency_precision="int8"))


def test_the_runs_name_tells_the_precision():
    job = Job(config(**QUICK), ("mixbin",), (0.4,), metric="latency", latency_precision="int8")
    assert job.run_name("mixbin", 0.4) == "mixbin-0.4-latency-int8"


@needs_kernels
def test_a_damaged_file_of_times_is_named(tiny_network, tmp_path):
    table = cost_table(tiny_network)
    layer_times(tiny_network, table, tmp_path)
    file, = tmp_path.glob("*.json")
    file.write_text("{")
    with pytest.raises(TrackerError, match=r"damaged .* delete it"):
        layer_times(tiny_network, table, tmp_path)


@needs_kernels
def test_latency_has_a_time_for_every_layer_and_a_rest(tiny_network, tmp_path, monkeypatch):
    monkeypatch.setattr(budget_metrics, "LATENCIES", tmp_path)
    table = budget_table(tiny_network, "latency")
    assert table.metric == "latency" and 0 < table.floor < 1
    assert all(unit.whole_cost > 0 for unit in table.units)
    assert [unit.eligible for unit in table.units] == [unit.eligible for unit in cost_table(tiny_network).units]


def test_without_kernels_latency_is_refused_in_one_line(tiny_network, tmp_path, monkeypatch):
    monkeypatch.setattr("b2nn.layer_times.library", lambda: None)
    monkeypatch.setattr("b2nn.layer_times.missing", lambda: "no compiler was there")
    with pytest.raises(B2nnError, match="latency in 1 bit cannot be measured: no compiler was there"):
        layer_times(tiny_network, cost_table(tiny_network), tmp_path)
    assert not list(tmp_path.glob("*.json"))


def test_a_tracker_is_trained_within_a_budget_of_memory(caches, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "BATCHNORM_BATCHES", 1)
    paths = train(Job(config(**QUICK), ("random",), (0.4,), tmp_path, caches, metric="memory"))
    assert [path.name for path in paths] == ["fp", "random-0.4-memory"]
    summary = next(run.summary for run in find_runs(tmp_path) if run.name == "random-0.4-memory")
    assert summary["metric"] == "memory" and summary["metric_ratio"] <= 0.4 != summary["flops_ratio"]
    plan = json.loads((tmp_path / "random-0.4-memory" / "plan.json").read_text())
    assert plan["metric"] == "memory" and plan["ratio"] == summary["metric_ratio"]


@pytest.mark.parametrize(("methods", "more", "message"), [
    (("mixbin", "random", "pruned"), {}, "leave --baselines"),
    (("pruned",), {}, "leave --method pruned out"),
    (("mixbin",), {"widths": (0.25,)}, "leave --width out"),
])
def test_what_counts_in_flops_only_is_refused_beside_another_metric(methods, more, message):
    with pytest.raises(TrackerError, match=f"--budget-metric memory: .*{message}"):
        check(Job(config(**QUICK), methods, (0.4,), metric="memory", **more))
