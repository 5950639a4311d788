"""What each strategy does in particular, where the answer is known."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from b2nn.cost import profile
from b2nn.errors import B2nnError
from b2nn.search import evolution, exhaustive, hessian, iterative, sensitivity, uniform
from b2nn.search.knapsack import choose
from b2nn.search.problem import Problem, evaluate
from b2nn.search.random import draw_maximal
from tests.b2nn.search.conftest import planted
from tests.b2nn.search.test_random import is_maximal

COSTS = st.lists(st.integers(1, 12), min_size=1, max_size=8).map(lambda costs: np.array(costs, dtype=float))


def test_uniform_keeps_one_end_of_the_network():
    problem = planted((1, 1, 1, 1, 1))
    budget = problem.table.ratio(["convs.0", "convs.1"]) + 0.01
    assert uniform.search(problem, budget, options=uniform.Options("first"))[0].full == ("convs.0", "convs.1")
    assert uniform.search(problem, budget, options=uniform.Options("last"))[0].full == ("convs.3", "convs.4")


def test_uniform_passes_over_what_does_not_fit(residual, images):
    problem = Problem(residual, profile(residual, images), lambda model, batch: model(batch).sum())
    budget = problem.table.ratio(["first", "hidden"])  # in order: first, second (dearer), shared (dearer), hidden
    assert uniform.search(problem, budget, options=uniform.Options("first"))[0].full == ("first", "hidden")


@settings(max_examples=60, deadline=None)
@given(COSTS, st.floats(0, 1))
def test_exhaustive_visits_every_maximal_subset_once(costs, share):
    capacity = share * costs.sum()
    visited = [tuple(chosen.tolist()) for chosen in exhaustive.maximal_subsets(costs, capacity)]
    everything = itertools.product([False, True], repeat=len(costs))
    assert sorted(visited) == [mask for mask in everything if is_maximal(mask, costs, capacity)]


def test_exhaustive_takes_the_lowest_loss(small_problem):
    plan, trace = exhaustive.search(small_problem, 0.6)
    losses = [candidate["loss"] for candidate in trace["candidates"]]
    assert losses == sorted(losses) and len(losses) == 6  # two of four
    assert losses[0] == evaluate(small_problem, plan.full).value


def test_exhaustive_refuses_many_layers_in_one_line(small_problem):
    with pytest.raises(B2nnError, match=r"4 eligible layers have 2\^4 mixes, above 2\^3; .*raise max_units"):
        exhaustive.search(small_problem, 0.6, options=exhaustive.Options(max_units=3))


@settings(max_examples=60, deadline=None)
@given(COSTS, st.floats(0, 1), st.integers(0, 99))
def test_repair_gives_a_maximal_subset_and_leaves_one_alone(costs, share, seed):
    rng = np.random.default_rng(seed)
    capacity = share * costs.sum()
    assert is_maximal(evolution.repair(rng.random(len(costs)) < 0.5, costs, capacity, rng), costs, capacity)
    maximal = draw_maximal(costs, capacity, rng)
    assert (evolution.repair(maximal, costs, capacity, rng) == maximal).all()


def test_evolution_never_loses_its_best(small_problem):
    _, trace = evolution.search(small_problem, 0.6, 5, evolution.Options(population=3, generations=6, tournament=2,
                                                                         elite=1))
    assert trace["best"] == sorted(trace["best"], reverse=True) and len(trace["best"]) == 6
    assert trace["candidates"][0]["loss"] == trace["best"][-1]


def test_iterative_grows_by_the_lowest_loss_of_each_round(small_problem):
    plan, trace = iterative.search(small_problem, 0.6, options=iterative.Options(steps=1))
    assert [len(step["losses"]) for step in trace["steps"]] == [4, 3]
    for step in trace["steps"]:
        assert step["loss"] == min(step["losses"].values()) == step["losses"][step["kept"]]
    assert {step["kept"] for step in trace["steps"]} == set(plan.full)


def test_training_a_candidate_lowers_its_loss(small_problem):
    assert evaluate(small_problem, (), steps=15).value < 0.8 * evaluate(small_problem, ()).value


def test_sensitivity_is_the_rise_of_the_loss(small_problem):
    _, trace = sensitivity.search(small_problem, 0.6)
    names = sorted(trace["scores"])
    assert trace["loss"] == evaluate(small_problem, names).value
    assert trace["scores"]["convs.0"] == evaluate(small_problem, names[1:]).value - trace["loss"]
    assert min(trace["scores"]["convs.0"], trace["scores"]["convs.2"]) > 100 * trace["scores"]["convs.1"]


class Quadratic(nn.Module):
    """f = Σ a_ij (w1_ij)² / 2 + Σ b (w2)² / 2 for any input: the diagonal of its Hessian is a, b."""

    def __init__(self):
        super().__init__()
        self.first, self.one, self.two, self.last = (nn.Linear(3, 3, bias=False) for _ in range(4))
        self.curvature = torch.arange(9.0).reshape(3, 3)

    def forward(self, x):
        return self.last(self.two(self.one(self.first(x))))


def test_traces_of_a_known_hessian_are_exact():
    model = Quadratic()

    def loss(model, batch):
        return (model.curvature * model.one.weight.square()).sum() / 2 + 4 * model.two.weight.square().sum() / 2

    problem = Problem(model, profile(model, torch.zeros(1, 3)), loss, [None])
    _, trace = hessian.search(problem, 1.0, options=hessian.Options(probes=2))
    assert trace["traces"] == pytest.approx({"one": 4.0, "two": 4.0})  # Σ 0..8 / 9, and 4
    sizes = model.one.weight.detach().abs()
    error = float((sizes - sizes.mean(1, keepdim=True)).square().sum())
    assert trace["errors"]["one"] == pytest.approx(error)
    assert trace["scores"]["one"] == pytest.approx(4 * error)


def test_estimated_traces_come_close_to_the_full_hessian(small_problem):
    problem = dataclasses.replace(small_problem, batches=small_problem.batches[:1])
    _, trace = hessian.search(problem, 0.6, options=hessian.Options(probes=64))
    model, batch = problem.model.eval(), problem.batches[0]
    weight = model.convs[0].weight
    gradient, = torch.autograd.grad(problem.loss(model, batch), weight, create_graph=True)
    exact = 0.0
    for place in range(0, weight.numel(), 16):  # of 2304
        row, = torch.autograd.grad(gradient.flatten()[place], weight, retain_graph=True)
        exact += float(row.flatten()[place]) * 16
    assert trace["traces"]["convs.0"] == pytest.approx(exact / weight.numel(), rel=0.15)


def test_ties_go_to_the_first_name(small_problem):
    table = small_problem.table
    values = {unit.name: 1.0 for unit in table.eligible}
    assert choose(table, 0.6, values) == ["convs.0", "convs.1"]
    assert choose(table, 0.6, dict.fromkeys(values, 0.0)) == ["convs.0", "convs.1"]
    assert choose(table, 0.6, dict.fromkeys(values, -1.0), {name: float(name[-1]) for name in values}) \
        == ["convs.2", "convs.3"]
