"""What every strategy promises, and that those that look at the network find the layers that matter."""

import copy
import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from b2nn.cost import profile
from b2nn.errors import B2nnError, BudgetError
from b2nn.plan import validate
from b2nn.search import STRATEGIES, options_of, strategy
from b2nn.search.problem import Problem, evaluate
from b2nn.search.run import fingerprint
from tests.b2nn.search.conftest import planted, quick_options

NEEDS_DATA = tuple(name for name in STRATEGIES if name not in ("uniform", "random"))


def outcome(name, problem, budget=0.6, seed=0, state=None):
    """Plan and trace; the seconds, which no two runs share, as None."""
    plan, trace = strategy(name)(problem, budget, seed, quick_options(name), state)
    return plan, {**trace, "seconds": None}


@pytest.mark.parametrize("budget, granularity", [(0.25, 1), (0.5, 1), (0.83, 1), (1.0, 1), (0.45, 2)])
def test_the_budget_is_kept_and_used(strategy_name, residual, images, budget, granularity):
    def loss(model, batch):
        return model(batch).square().mean()

    problem = Problem(residual, profile(residual, images).split(granularity), loss, [images], [images])
    plan, _ = outcome(strategy_name, problem, budget)
    validate(plan, problem.table)
    assert plan.strategy == strategy_name and plan.budget == budget
    assert plan.ratio == problem.table.ratio(plan.full) <= budget
    assert all(plan.ratio + problem.table.cost(name) > budget for name in plan.binary)


@pytest.fixture(params=[1, 2])
def divided_problem(request):
    """Four units: layers, or the halves of two."""
    problem = planted((1, 0.02) * (2 // request.param), batches=6, size=6)
    return dataclasses.replace(problem, table=problem.table.split(request.param))


def test_the_same_seed_gives_the_same_plan_and_trace(strategy_name, divided_problem):
    torch.manual_seed(1)
    first = outcome(strategy_name, divided_problem, seed=3)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert outcome(strategy_name, divided_problem, seed=3) == first
    assert torch.equal(torch.get_rng_state(), state)
    assert first[0].seed == 3


def test_the_trace_is_json_and_tells_what_it_cost(strategy_name, divided_problem):
    plan, trace = strategy(strategy_name)(divided_problem, 0.6, 1, quick_options(strategy_name))
    json.loads(json.dumps(trace), parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    assert (trace["strategy"], trace["budget"], trace["seed"]) == (strategy_name, 0.6, 1)
    assert trace["seconds"] >= 0
    assert (trace["forward_passes"] > 0) == (strategy_name in NEEDS_DATA)
    assert (trace["backward_passes"] > 0) == (strategy_name in ("mixbin", "iterative", "hessian"))
    if "scores" in trace:
        assert set(trace["scores"]) == {*plan.full, *plan.binary}
    if "candidates" in trace:
        assert trace["candidates"][0]["full"] == list(plan.full)


def test_the_network_and_its_mode_stay_as_they_are_to_the_bit(strategy_name, divided_problem):
    model = divided_problem.model.train()
    before = copy.deepcopy(model)
    outcome(strategy_name, divided_problem)
    assert fingerprint(model) == fingerprint(before) and str(model) == str(before)
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("budget, message", [(0.001, "below the floor"), (0, r"not in \(0, 1\]"), (1.5, "not in")])
def test_an_infeasible_budget_is_refused(strategy_name, small_problem, budget, message):
    with pytest.raises(BudgetError, match=message):
        outcome(strategy_name, small_problem, budget)


class Killed(Exception):
    """As a signal would end the process."""


def killed_after(problem, passes):
    """The problem, but after so many calls of its loss the process ends."""
    left = iter(range(passes))

    def loss(model, batch):
        if next(left, None) is None:
            raise Killed
        return problem.loss(model, batch)

    return dataclasses.replace(problem, loss=loss)


@pytest.mark.parametrize("name", NEEDS_DATA)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_a_killed_search_goes_on_to_the_end_of_a_straight_one(small_problem, tmp_path, name, share):
    straight = outcome(name, small_problem)
    passes = straight[1]["forward_passes"]
    with pytest.raises(Killed):
        outcome(name, killed_after(small_problem, int(share * passes)), state=tmp_path / "state")
    assert outcome(name, small_problem, state=tmp_path / "state") == straight
    if name != "mixbin":  # everything is known by now
        assert outcome(name, killed_after(small_problem, 0), state=tmp_path / "state") == straight


@pytest.mark.parametrize("name", NEEDS_DATA)
def test_what_was_done_is_not_done_again(small_problem, tmp_path, name):
    passes = outcome(name, small_problem)[1]["forward_passes"]
    with pytest.raises(Killed):
        outcome(name, killed_after(small_problem, passes * 2 // 3), state=tmp_path / "state")
    # At most the piece of work that the kill broke off, or the steps since the last checkpoint, are repeated.
    outcome(name, killed_after(small_problem, passes * 2 // 3), state=tmp_path / "state")


@pytest.mark.parametrize("name", [name for name in NEEDS_DATA if name != "mixbin"])
def test_a_search_at_another_budget_takes_up_what_is_known_and_finds_the_same_plan(small_problem, tmp_path, name):
    state = tmp_path / "state"
    budgets = (0.83, 0.6)
    straight = {budget: outcome(name, small_problem, budget) for budget in budgets}
    assert outcome(name, small_problem, budgets[0], state=state) == straight[budgets[0]]
    plan, trace = outcome(name, small_problem, budgets[1], state=state)
    wanted_plan, wanted = straight[budgets[1]]
    costs = ("forward_passes", "backward_passes")
    assert plan == wanted_plan
    assert all(trace[cost] + trace["reused"][cost] == wanted[cost] for cost in costs)
    assert {**trace, **dict.fromkeys((*costs, "reused"))} == {**wanted, **dict.fromkeys((*costs, "reused"))}
    # Plans that use one budget up need not use up another.
    assert trace["reused"]["forward_passes"] > 0 or name in ("exhaustive", "evolution")
    if name in ("sensitivity", "hessian"):
        assert trace["forward_passes"] == 0
    # The first budget's costs stay its own, whatever has been done since.
    assert outcome(name, small_problem, budgets[0], state=state) == straight[budgets[0]]


def test_the_state_of_another_search_is_refused(strategy_name, small_problem, tmp_path):
    state = tmp_path / "state"
    outcome(strategy_name, small_problem, state=state)
    with pytest.raises(B2nnError, match=r"state: holds a search with another seed \(0, not 1\)"):
        outcome(strategy_name, small_problem, seed=1, state=state)
    divided = dataclasses.replace(small_problem, table=small_problem.table.split(2))
    with pytest.raises(B2nnError, match="another units"):
        outcome(strategy_name, divided, state=state)
    with torch.no_grad():
        small_problem.model.stem.weight[0] += 1
    with pytest.raises(B2nnError, match="another weights"):
        outcome(strategy_name, small_problem, state=state)
    state.write_text("something else\n")
    with pytest.raises(B2nnError, match="state: holds no search; name another file"):
        outcome(strategy_name, small_problem, state=state)
    assert state.read_text() == "something else\n"


@pytest.mark.parametrize("name", NEEDS_DATA)
def test_missing_data_is_an_error(small_problem, name):
    with pytest.raises(B2nnError, match=r"no (held-out )?batches"):
        outcome(name, dataclasses.replace(small_problem, batches=(), held_out=()))


def test_batches_that_can_be_read_only_once_are_refused(small_problem):
    with pytest.raises(B2nnError, match="held_out can be gone through only once"):
        dataclasses.replace(small_problem, held_out=iter(small_problem.held_out))


def test_a_loss_that_is_not_finite_is_an_error(small_problem):
    broken = dataclasses.replace(small_problem, loss=lambda model, batch: model(batch[0]).sum() * math.nan)
    with pytest.raises(B2nnError, match="held-out loss of nan"):
        outcome("sensitivity", broken)


def test_an_unknown_strategy_is_named_with_those_that_exist():
    with pytest.raises(B2nnError, match="'best' is unknown; choose one of mixbin, "):
        strategy("best")


@pytest.mark.parametrize("name, option, value", [
    ("iterative", "steps", -1), ("evolution", "elite", 16), ("evolution", "mutation", 2), ("hessian", "probes", 0),
    ("uniform", "keep", "middle"), ("exhaustive", "max_units", 0), ("mixbin", "steps", 0), ("iterative", "lr", 0)])
def test_bad_options_are_named(name, option, value):
    with pytest.raises(B2nnError, match=f"{option} is {value!r}; it must be"):
        options_of(name)(**{option: value})


@pytest.mark.parametrize("name", ["mixbin", "iterative", "evolution", "exhaustive", "sensitivity", "hessian"])
@pytest.mark.parametrize("weights", [(0.02, 1, 0.02, 1, 0.02, 0.02), (1, 0.02, 0.02, 0.02, 0.02, 1)])
def test_the_layers_that_matter_are_found_and_beat_chance(name, weights):
    problem = planted(weights)
    wanted = tuple(f"convs.{i}" for i, weight in enumerate(weights) if weight == 1)
    budget = problem.table.ratio(wanted) + 0.01
    plan, _ = outcome(name, problem, budget)
    assert plan.full == wanted
    draws = [strategy("random")(problem, budget, seed)[0] for seed in range(10)]
    assert evaluate(problem, plan.full).value < np.mean([evaluate(problem, draw.full).value for draw in draws])


@pytest.mark.parametrize("name", ["mixbin", "sensitivity", "hessian", "evolution", "iterative"])
def test_the_channels_that_matter_are_found(name):
    """Only the first half of the first layer's channels goes into the output, and all of the last layer's."""
    problem = planted((1, 0.02, 0.02))
    with torch.no_grad():
        problem.model.norms[0].weight[8:] = 0.02
    pairs = [(x, problem.model(x).detach()) for x, _ in (*problem.batches, *problem.held_out)]
    table = problem.table.split(2)
    problem = dataclasses.replace(problem, table=table, batches=pairs[:-2], held_out=pairs[-2:])
    wanted = ("convs.0[0:8]",)
    assert outcome(name, problem, table.ratio(wanted) + 0.01)[0].full == wanted


def test_parts_use_up_what_whole_layers_cannot(residual, images):
    whole = profile(residual, images)
    budgets = np.linspace(whole.floor + 0.1, 0.9, 7)
    means = []
    for granularity in (1, 8):
        table = whole.split(granularity)
        problem = Problem(residual, table, lambda *_: None)
        unused = [budget - strategy("random")(problem, budget)[0].ratio for budget in budgets]
        assert min(unused) >= 0 and max(unused) < max(table.cost(unit.name) for unit in table.eligible)
        means.append(np.mean(unused))
    assert means[1] < means[0] / 2
