"""Budgets of memory and of time: the same plans and searches, other costs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from b2nn.cost import profile
from b2nn.errors import BudgetError
from b2nn.metrics import Seconds, latency, memory
from b2nn.plan import BinarizationPlan, make_plan, validate
from b2nn.search import knapsack
from b2nn.search.mixbin import Relaxation
from b2nn.search.random import draw_maximal


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 16, 3, bias=False), nn.BatchNorm2d(16),
                         nn.Conv2d(16, 8, 3), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 3))


def tables():
    table = profile(model(), torch.zeros(1, 3, 16, 16))
    seconds = {unit.name: Seconds(full=1e-4 * (place + 1), binary=2e-5 if place % 2 else 3e-4)
               for place, unit in enumerate(table.units)}
    return {"flops": table, "memory": memory(table), "latency": latency(table, seconds, network=2e-3)}


TABLES = tables()


def test_memory_is_a_bit_a_binary_weight_and_32_for_all_else():
    table = TABLES["memory"]
    network = model()
    assert table.total == 32 * sum(parameter.numel() for parameter in network.parameters())
    assert table.total - table.counted(()) == 31 * sum(network[place].weight.numel() for place in (2, 4, 5))
    assert TABLES["flops"].bytes(()) == pytest.approx(table.counted(()) / 8, abs=1)


def test_latency_adds_up_to_the_measured_network():
    table = TABLES["latency"]
    assert table.total == 2_000_000
    assert table.unit("2").whole_cost == 200_000 and table.unit("2").saving == 180_000


def test_a_layer_that_bits_slow_down_is_no_dearer_binary_than_full():
    assert TABLES["latency"].unit("4").saving == 8  # a nanosecond a channel


def test_flops_are_counted_as_ever_whatever_the_metric():
    assert [unit.flops for unit in TABLES["memory"].units] == [unit.flops for unit in TABLES["flops"].units]
    assert TABLES["flops"].metric == "flops"


@pytest.mark.parametrize("metric", TABLES)
def test_parts_add_up_to_their_layers_and_each_saves_something(metric):
    whole, parts = TABLES[metric], TABLES[metric].split(3)
    assert parts.metric == metric and parts.total == whole.total and parts.counted(()) == whole.counted(())
    assert all(unit.saving > 0 for unit in parts.eligible)


@pytest.mark.parametrize("metric", ["memory", "latency"])
@settings(max_examples=30, deadline=None)
@given(budget=st.floats(0.0, 1.0), seed=st.integers(0, 99), parts=st.integers(1, 4))
def test_choices_keep_the_budget_exactly_and_are_maximal(metric, budget, seed, parts):
    table = TABLES[metric].split(parts)
    budget = max(table.floor, budget)
    units = table.eligible
    values = {unit.name: float(value) for unit, value in zip(units, np.random.default_rng(seed).random(99),
                                                             strict=False)}
    drawn = draw_maximal(np.array([unit.saving for unit in units]), table.capacity(budget), np.random.default_rng(seed))
    for full in (knapsack.choose(table, budget, values),
                 [unit.name for unit, keep in zip(units, drawn, strict=True) if keep]):
        assert make_plan(table, full, budget, "test", seed).ratio <= budget
        assert all(table.ratio([*full, unit.name]) > budget for unit in units if unit.name not in full)


@pytest.mark.parametrize("metric", TABLES)
def test_a_plan_tells_its_metric_and_fits_the_network_whatever_it_is(metric):
    plan = make_plan(TABLES[metric], ["2"], 0.99, "random", 0)
    assert BinarizationPlan.from_dict(plan.to_dict()) == plan and plan.metric == metric
    validate(plan, TABLES["flops"])


def test_a_budget_out_of_range_is_named_by_its_metric():
    with pytest.raises(BudgetError, match="share of the full-precision memory"):
        make_plan(TABLES["memory"], [], 1.5, "random", 0)
    with pytest.raises(BudgetError, match=r"budget 0\.001 of memory is below the floor"):
        make_plan(TABLES["memory"], [], 0.001, "random", 0)


def test_the_relaxed_ratio_of_crisp_gates_is_the_plans():
    relaxation = Relaxation(model(), TABLES["memory"], 0.6)
    relaxation.psi.data = torch.tensor([9.0, -9.0, -9.0])
    crisp = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    assert float(relaxation._ratio(crisp)) == pytest.approx(TABLES["memory"].ratio(["2"]), rel=1e-12)
    assert relaxation.finish().metric == "memory"
