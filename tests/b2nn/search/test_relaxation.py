import copy
import json

import hypothesis
import pytest
import torch
from hypothesis import strategies as st
from torch import nn

from b2nn.convert import binarize
from b2nn.cost import profile
from b2nn.errors import B2nnError, BudgetError
from b2nn.gated import GatedUnit
from b2nn.layers import BinaryUnit
from b2nn.mixed import MixedUnit
from b2nn.parts import by_layer
from b2nn.plan import validate
from b2nn.search.relaxation import Relaxation
from b2nn.search.schedule import GateOptions


@pytest.fixture
def table(residual, images):
    return profile(residual, images)


@pytest.fixture
def relaxation(residual, table):
    return Relaxation(residual, table, 0.5, GateOptions(spread=0.5), seed=1)


@pytest.mark.parametrize("t", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_the_relaxed_ratio_is_the_target_at_every_step(relaxation, t):
    relaxation.set_progress(t)
    assert relaxation.ratio().item() == pytest.approx(relaxation.target, abs=1e-9)
    assert ((relaxation.gates() >= 0) & (relaxation.gates() <= 1)).all()


def test_the_target_falls_to_the_budget_and_the_gates_sharpen(relaxation, table):
    targets, betas = [], []
    for t in (0.0, 0.25, 0.5, 0.79):
        relaxation.set_progress(t)
        targets.append(relaxation.target)
        betas.append(relaxation.beta)
    start = table.floor + 0.95 * (1 - table.floor)
    assert targets == pytest.approx([start, (start + 0.5) / 2, 0.5, 0.5])
    assert (betas[0], betas[2]) == pytest.approx((1, 200 ** 0.5)) and betas == sorted(betas)


def test_in_the_end_the_target_is_what_the_gates_would_be_rounded_to(relaxation, table):
    """Four layers of unlike cost cannot fill the budget: a gate would have to stay half open."""
    relaxation.set_progress(0.9)
    assert relaxation.target < 0.5
    settled = relaxation.target
    with torch.no_grad():
        relaxation.psi.neg_()  # it does not follow the gates about
    relaxation.set_progress(1.0)
    assert relaxation.target == settled
    with torch.no_grad():
        relaxation.psi.neg_()
    assert relaxation.finish().ratio == pytest.approx(settled)


@hypothesis.given(st.integers(0, 1000), st.sampled_from([0.2, 0.35, 0.5]), st.sampled_from([2, 5]))
@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], deadline=None)
def test_rounding_keeps_no_closed_gate_in_the_place_of_an_open_one(residual, table, seed, share, beta):
    """Units of unlike cost: one that is dear and unwanted fits the budget better than several that are wanted."""
    table = table.divided(["shared[0:1]", "shared[1:16]", "second[0:1]", "second[1:16]", "first[0:2]", "first[2:8]"])
    budget = table.floor + share * (1 - table.floor)
    relaxation = Relaxation(copy.deepcopy(residual), table, budget, GateOptions(settle=1.0, beta_end=beta))
    relaxation.set_progress(0.99)
    with torch.no_grad():
        relaxation.psi.copy_(torch.randn(len(relaxation.psi), generator=torch.Generator().manual_seed(seed)))
    z = dict(zip((unit.name for unit in table.eligible), relaxation.gates().tolist(), strict=True))
    wanted = [name for name, gate in z.items() if gate > 0.5]
    kept = relaxation.finish().full
    if table.ratio(wanted) <= budget:
        assert set(wanted) <= set(kept)


def test_going_back_in_time_forgets_what_was_settled(relaxation):
    relaxation.set_progress(1.0)
    relaxation.set_progress(0.6)
    assert relaxation.target == 0.5


@pytest.mark.parametrize("t", [0.1, 0.6])
def test_gradients_of_the_gates_by_finite_differences(relaxation, t):
    """The threshold moves with every ψ; its gradient is that of the implicit function."""
    relaxation.set_progress(t)
    relaxation.psi = nn.Parameter(relaxation.psi.detach().double())
    weights = torch.linspace(-1, 1, len(relaxation.psi), dtype=torch.float64)
    (relaxation.gates() @ weights).backward()
    for i in range(len(relaxation.psi)):
        sides = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                relaxation.psi[i] += step
                sides.append(float(relaxation.gates() @ weights))
                relaxation.psi[i] -= step
        assert relaxation.psi.grad[i].item() == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-6)


def test_the_ratio_itself_cannot_be_moved_by_psi(relaxation):
    """All units together are held by the budget: what one gains the others lose."""
    relaxation.ratio().backward()
    assert relaxation.psi.grad.abs().max() < 1e-6
    relaxation.psi.grad = None
    relaxation.gates()[0].backward()
    assert relaxation.psi.grad[0] > 0 and (relaxation.psi.grad[1:] <= 0).all()


@pytest.fixture
def penalized(residual, table):
    return Relaxation(residual, table, 0.5, GateOptions(spread=0.5, budget_by="penalty"), seed=1)


@pytest.mark.parametrize("offset", [0.5, -2.0])  # above the budget, below it
def test_gradient_of_the_penalty_by_finite_differences(penalized, offset):
    penalized.set_progress(0.3)
    penalized.psi = nn.Parameter(penalized.psi.detach().double() + offset)
    assert (penalized.ratio() > 0.5) == (offset > 0)
    penalized.regularizer().backward()
    for i in range(len(penalized.psi)):
        sides = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                penalized.psi[i] += step
                sides.append(float(penalized.regularizer()))
                penalized.psi[i] -= step
        assert penalized.psi.grad[i].item() == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-4, abs=1e-7)


def test_the_penalty_is_the_square_of_the_excess(penalized):
    z = penalized.gates().detach()
    assert torch.equal(z, torch.sigmoid(penalized.beta * penalized.psi.detach().double()))
    excess = penalized.table.floor + float((penalized.costs * z).sum()) - 0.5
    assert excess > 0
    assert penalized.regularizer().item() == pytest.approx(30 * excess**2 + 0.1 * float((z * (1 - z)).mean()))


def test_crisp_means_decided_within_the_budget(residual, table):
    relaxation = Relaxation(residual, table, table.ratio(["second"]), GateOptions(budget_by="penalty"))
    decided = torch.tensor([9.0 if unit.name == "second" else -9.0 for unit in table.eligible])
    for psi, t, expected in ((decided, 0.6, True), (decided, 0.4, False), (decided / 90, 0.6, False),
                             (decided.abs(), 0.6, False)):
        relaxation.psi.data = psi
        relaxation.set_progress(t)
        assert relaxation.crisp() == expected, (psi, t)
    relaxation.psi.data = decided
    relaxation.record(7)
    assert relaxation.trace()["crisp_at"] == 7


def test_gradients_stay_finite_when_the_gates_are_crisp(residual, table):
    full = ["second"]
    relaxation = Relaxation(residual, table, table.ratio(full), GateOptions(beta_end=5000))
    relaxation.psi.data = torch.tensor([1.0 if unit.name in full else -1.0 for unit in table.eligible])
    relaxation.set_progress(1.0)
    relaxation.gates().sum().backward()
    assert relaxation.psi.grad.isfinite().all()


def test_at_crisp_gates_the_relaxed_ratio_is_the_counted_one(residual, table):
    full = ["second", "hidden"]
    relaxation = Relaxation(residual, table, table.ratio(full), GateOptions(beta_end=5000))
    relaxation.psi.data = torch.tensor([1.0 if unit.name in full else -1.0 for unit in table.eligible])
    relaxation.set_progress(1.0)
    z = relaxation.gates()
    assert torch.minimum(z, 1 - z).max() < 1e-6
    assert relaxation.ratio().item() == pytest.approx(table.ratio(full), abs=1e-9)
    assert set(relaxation.finish().full) == set(full)


def test_gates_reach_every_unit_with_their_graph(residual, images, relaxation):
    relaxation.set_gates()
    names = [name for name, module in residual.named_modules() if isinstance(module, GatedUnit)]
    assert sorted(names) == ["first", "hidden", "second", "shared"]
    residual(images).square().sum().backward()
    assert (relaxation.psi.grad != 0).all()


def test_an_interrupted_trace_goes_on(relaxation):
    relaxation.record(0)
    before = relaxation.trace()
    relaxation.record(10)
    relaxation.resume_trace(before)
    relaxation.record(5)
    assert [entry["step"] for entry in relaxation.trace()["steps"]] == [0, 5]


def test_the_regularizer_vanishes_for_crisp_gates(relaxation):
    relaxation.set_progress(0.5)
    z = relaxation.gates()
    assert relaxation.regularizer().item() == pytest.approx(0.1 * (z * (1 - z)).mean().item())


def test_the_open_network_starts_as_the_full_precision_one(residual, images, table):
    expected = residual(images)
    Relaxation(residual, table, 1.0)
    for module in residual.modules():
        if isinstance(module, GatedUnit):
            module.z = 1.0
    assert torch.equal(residual(images), expected)


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("budget", [0.3, 0.5, 0.8, 1.0])
def test_finish_leaves_the_network_of_the_plan(residual, images, table, budget, parts):
    """What the open network computes with its gates at the plan, and what the plan makes of the original."""
    table, original = table.split(parts), copy.deepcopy(residual)
    relaxation = Relaxation(residual, table, budget, GateOptions(spread=0.5))
    relaxation.set_progress(1.0)
    relaxation.set_gates()
    for module in residual.modules():  # as training would
        if isinstance(module, BinaryUnit):
            nn.init.normal_(module.shift, std=0.1)
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    residual.train()(images)
    relaxed = copy.deepcopy(residual).eval()
    plan = relaxation.finish()
    validate(plan, table)
    assert plan.strategy == "mixbin" and plan.ratio <= budget
    assert all(plan.ratio + table.cost(name) > budget for name in plan.binary)  # no room is left
    for name, module in relaxed.named_modules():
        if isinstance(module, GatedUnit):
            module.z = torch.zeros(len(module.full.weight))
            for part in by_layer(plan.full).get(name, []):
                module.z[part.rows] = 1
    assert torch.allclose(residual.eval()(images), relaxed(images), atol=1e-5)
    kinds = {kind: {name for name, module in residual.named_modules() if isinstance(module, kind)}
             for kind in (GatedUnit, BinaryUnit, MixedUnit)}
    full, binary = by_layer(plan.full), by_layer(plan.binary)
    assert not kinds[GatedUnit]
    assert kinds[MixedUnit] == full.keys() & binary.keys() and (parts == 1 or budget == 1 or kinds[MixedUnit])
    assert {name.removesuffix(".binary") for name in kinds[BinaryUnit]} == binary.keys()
    # Weights and statistics load into the network that the plan makes of the original.
    binarize(original, plan, table).load_state_dict(residual.state_dict())
    assert torch.equal(original.eval()(images), residual.eval()(images))


def test_room_that_the_gates_leave_is_filled(residual, table):
    """`first` is wanted but does not fit beside `second`; `hidden`, which nobody wanted, does."""
    budget = table.ratio(["second", "hidden"])
    relaxation = Relaxation(residual, table, budget)
    relaxation.psi.data = torch.tensor([50.0, 100.0, -100.0, -50.0])  # first, second, shared, hidden
    relaxation.set_progress(1.0)
    assert relaxation.gates()[3] == 0
    assert relaxation.finish().full == ("hidden", "second")


def test_each_precision_takes_its_own_statistics_along(residual, images, table):
    relaxation = Relaxation(residual, table, 0.5, GateOptions(spread=0.5))
    gates = {name: module for name, module in residual.named_modules() if isinstance(module, GatedUnit)}
    relaxation.set_gates()
    residual.train()(images)
    plan = relaxation.finish()
    assert not torch.allclose(gates["first"].full_norm.running_var, gates["first"].binary_norm.running_var)
    for name in ("first", "second", "hidden"):
        branch = gates[name].full_norm if name in plan.full else gates[name].binary_norm
        assert residual.get_submodule(f"{name}_norm") is branch


def test_a_budget_at_the_floor_makes_everything_binary(residual, table):
    assert Relaxation(residual, table, table.floor).finish().full == ()


def test_a_checkpoint_in_mid_search_goes_on_alike(residual, images, table):
    def opened(model):
        relaxation = Relaxation(model, table, 0.5, GateOptions(spread=0.5), seed=4)
        return nn.ModuleDict({"model": model, "relaxation": relaxation})

    other = copy.deepcopy(residual)
    first = opened(residual)
    first["relaxation"].set_progress(0.3)
    first["relaxation"].psi.data.add_(torch.randn(4))
    second = opened(other)
    second.load_state_dict(first.state_dict())
    third = copy.deepcopy(first)
    for copied in (second, third):
        for part in (first, copied):
            part["relaxation"].set_gates()
        assert torch.equal(first["model"](images), copied["model"](images))
    third["relaxation"].finish()  # a copy's gates belong to its own model
    assert any(isinstance(module, GatedUnit) for module in first["model"].modules())


def test_the_weights_that_may_become_bits(residual, relaxation):
    assert {id(weight) for weight in relaxation.latent_weights()} \
        == {id(getattr(residual, name).full.weight) for name in ("first", "second", "shared", "hidden")}


def test_the_trace_is_json_and_forgets_steps_done_again(relaxation):
    for step, t in ((0, 0.0), (10, 0.5), (20, 1.0), (10, 0.5)):
        relaxation.set_progress(t)
        relaxation.record(step)
    trace = json.loads(json.dumps(relaxation.trace()))
    assert trace["units"] == ["first", "second", "shared", "hidden"] and trace["budget"] == 0.5
    assert [entry["step"] for entry in trace["steps"]] == [0, 10]
    assert trace["steps"][1]["ratio"] == pytest.approx(0.5) and len(trace["steps"][1]["gates"]) == 4


@pytest.mark.parametrize("option, value", [
    ("beta_start", 0), ("beta_end", 0.5), ("start", 1.5), ("anneal", 0), ("gate_lr", -1), ("lambda_crisp", -1),
    ("spread", -1), ("budget_by", "luck"), ("settle", 0.4), ("lambda_budget", -1), ("crisp", -1)])
def test_bad_options_are_named(option, value):
    with pytest.raises(B2nnError, match=f"{option} is {value!r}; it must be"):
        GateOptions(**{option: value})


def test_an_infeasible_budget_leaves_the_model_alone(residual, table):
    with pytest.raises(BudgetError, match="below the floor"):
        Relaxation(residual, table, table.floor / 2)
    assert not any(isinstance(module, GatedUnit) for module in residual.modules())


@pytest.fixture
def parts(table):
    return table.split(2)


def test_each_part_has_a_gate_over_its_channels(residual, images, parts):
    relaxation = Relaxation(residual, parts, 0.5, GateOptions(spread=0.5))
    relaxation.set_gates()
    names, z = relaxation.trace()["units"], relaxation.gates().float()
    assert names == [unit.name for unit in parts.eligible] and len(relaxation.psi) == 8
    assert torch.equal(residual.second.z, z[2:4].repeat_interleave(8))
    residual.train()(images).square().sum().backward()
    assert (relaxation.psi.grad != 0).all()
    relaxation.set_progress(0.6)
    assert relaxation.ratio().item() == pytest.approx(0.5)


def test_each_channel_takes_its_own_statistics_along(residual, images, parts):
    relaxation = Relaxation(residual, parts, parts.ratio(["second[8:16]"]), GateOptions())
    relaxation.psi.data = torch.tensor([1.0 if unit.name == "second[8:16]" else -1.0 for unit in parts.eligible])
    relaxation.set_progress(1.0)
    relaxation.set_gates()
    gate = residual.second
    residual.train()(images)
    branches = [copy.deepcopy(norm) for norm in (gate.binary_norm, gate.full_norm)]
    assert relaxation.finish().full == ("second[8:16]",)
    for name in ("weight", "bias", "running_mean", "running_var"):
        expected = torch.cat([getattr(branches[0], name)[:8], getattr(branches[1], name)[8:]])
        assert torch.equal(getattr(residual.second_norm, name), expected)
    assert not torch.allclose(branches[0].running_var, branches[1].running_var)


def test_the_norm_of_other_channels_than_the_parts_stays_where_it_is():
    """On sequences BatchNorm1d normalizes the second dimension, not the last, which the linear layer makes."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 6), nn.BatchNorm1d(5), nn.Linear(6, 2))
    table = profile(model, torch.randn(3, 5, 4))
    assert table.unit("1").norm == "2"
    Relaxation(model, table.split(2), 0.9)
    assert isinstance(model[2], nn.BatchNorm1d)


def test_a_copy_in_mid_search_keeps_the_gates_of_parts(residual, images, parts):
    relaxation = Relaxation(residual, parts, 0.5, GateOptions(spread=0.5))
    relaxation.set_gates()
    assert torch.equal(copy.deepcopy(residual)(images), residual(images))
