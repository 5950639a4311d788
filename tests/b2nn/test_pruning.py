"""Pruning meets the budget with really smaller tensors, and removes nothing else."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from b2nn.activations import activation
from b2nn.channels import channel_groups, named_tensors
from b2nn.cost import profile
from b2nn.errors import BudgetError, PlanError
from b2nn.pruning import PrunedGroup, PruningPlan, apply, importance, load_pruning_plan, prune
from b2nn.pruning_plan import tensor_hash

IMAGE = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def layer(inputs: int, outputs: int, act: str = "relu", **options) -> nn.Sequential:
    return nn.Sequential(OrderedDict(
        conv=nn.Conv2d(inputs, outputs, 3, padding=1, bias=False, **options), bn=nn.BatchNorm2d(outputs),
        act=activation(act, outputs)))


class Block(nn.Module):
    """Residual block with a 1x1 projection after pooling where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, act: str) -> None:
        super().__init__()
        self.a = layer(inputs, outputs, act, stride=stride)
        self.b = layer(outputs, outputs, act)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Sequential(
            nn.AvgPool2d(stride), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x)) + self.shortcut(x)


def chain() -> nn.Module:
    return nn.Sequential(layer(3, 16), layer(16, 24), nn.Conv2d(24, 4, 1))


def residual(act: str = "prelu") -> nn.Module:
    return nn.Sequential(layer(3, 16, act), Block(16, 16, 1, act), Block(16, 32, 2, act), nn.Conv2d(32, 4, 1))


def reactnet() -> nn.Module:
    return residual("rprelu")


def depthwise() -> nn.Module:
    return nn.Sequential(layer(3, 16), layer(16, 16, groups=16), layer(16, 32, groups=16), layer(32, 24),
                         nn.Conv2d(24, 4, 1))


def grouped() -> nn.Module:
    """AlexNet's kind: two halves that meet only in every other conv; and a depthwise conv on top."""
    return nn.Sequential(layer(3, 16), layer(16, 24, groups=2), layer(24, 24), layer(24, 24, groups=3),
                         layer(24, 48, groups=24), nn.Conv2d(48, 4, 1, groups=2))


def classifier() -> nn.Module:
    return nn.Sequential(layer(3, 16), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(16 * 16, 12), nn.ReLU(),
                         nn.Linear(12, 5))


class Correlator(nn.Module):
    """Two inputs through one backbone, correlated channel by channel."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = layer(3, 16), nn.Sequential(layer(16, 12), nn.Conv2d(12, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        kernel, search = self.backbone(x[:, :, 4:9, 4:9]), self.backbone(x)  # (1, C, 5, 5), (1, C, 16, 16)
        return self.head(F.conv2d(search, kernel.transpose(0, 1), groups=kernel.shape[1]))


NETWORKS = [chain, residual, reactnet, depthwise, grouped, classifier, Correlator]
every_network = pytest.mark.parametrize("build", NETWORKS, ids=lambda build: build.__name__)


def trained(build, seed: int = 0) -> nn.Module:
    """The network in evaluation mode, all its parameters and statistics drawn at random."""
    torch.manual_seed(seed)
    model = build().eval()
    for name, tensor in named_tensors(model).items():
        if tensor.is_floating_point():
            torch.nn.init.uniform_(tensor, 0.5 if "running_var" in name else -1, 1)
    return model


def flops(model: nn.Module) -> int:
    return profile(model, IMAGE).total


@every_network
@pytest.mark.parametrize("budget", [0.9, 0.5, 0.3])
def test_the_smaller_networks_own_flops_meet_the_budget(build, budget):
    model = trained(build)
    whole = flops(model)
    plan = prune(model, IMAGE, budget=budget)
    assert flops(model) / whole == plan.ratio <= budget == plan.budget
    assert model(IMAGE).shape == build().eval()(IMAGE).shape


@every_network
def test_no_removed_channel_could_be_put_back(build):
    model = trained(build)
    whole = flops(model)
    plan = prune(model, IMAGE, budget=0.5)
    for group in plan.groups:
        removed = sorted(set(range(group.size)) - set(group.kept))
        more = tuple(sorted((*group.kept, removed[0])))
        others = tuple(other for other in plan.groups if other is not group)
        larger = trained(build)
        apply(larger, PruningPlan(plan.architecture,
                                  (*others, PrunedGroup(group.name, group.size, group.slots, more)), 1, 1))
        assert flops(larger) / whole > 0.5


@settings(max_examples=15, deadline=None)
@given(budget=st.floats(0.05, 1.0), seed=st.integers(0, 5))
def test_any_budget_is_met_or_refused(budget, seed):
    model = trained(residual, seed)
    whole = flops(model)
    try:
        plan = prune(model, IMAGE, budget=budget)
    except BudgetError:
        assert flops(model) == whole
    else:
        assert flops(model) / whole == plan.ratio <= budget


@every_network
def test_channels_that_carry_nothing_are_removed_without_a_trace(build):
    """Zero what makes every second channel of each group, prune exactly these: the output stays the same."""
    model = trained(build)
    groups = channel_groups(model, IMAGE)
    tensors = named_tensors(model)
    pruned = []
    for group in groups:
        pruned.append(PrunedGroup(group.name, group.size, group.slots, tuple(range(0, group.size, 2))))
        for slot in group.slots:
            # γ, β, biases and the shifts of RPReLU; and weights, where no γ follows them.
            vector = tensors[slot.tensor].ndim == 1 and "running" not in slot.tensor
            if vector or (slot.role == "weight" and all(other.role != "scale" for other in group.slots)):
                entries = torch.arange(slot.extent).view(slot.repeats, group.size, -1)
                with torch.no_grad():
                    tensors[slot.tensor][entries[:, 1::2].flatten()] = 0
    expected = model(IMAGE)
    size = sum(parameter.numel() for parameter in model.parameters())
    apply(model, PruningPlan(tensor_hash(model), tuple(pruned), 1.0, 1.0))
    torch.testing.assert_close(model(IMAGE), expected, atol=1e-5, rtol=1e-4)
    assert sum(parameter.numel() for parameter in model.parameters()) < 0.6 * size


@every_network
def test_a_fresh_network_takes_the_plan_from_json_and_then_the_weights(build, tmp_path):
    model = trained(build)
    plan = prune(model, IMAGE, budget=0.4)
    plan.save(tmp_path / "plan.json")
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]
    loaded = load_pruning_plan(tmp_path / "plan.json")
    assert loaded == plan
    fresh = build().eval()
    apply(fresh, loaded)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh(IMAGE), model(IMAGE))
    assert str(fresh) == str(model)  # the sizes that modules print are those of their tensors


def test_the_weights_that_stay_are_those_of_the_whole_network():
    model, whole = trained(chain), trained(chain)
    plan = prune(model, IMAGE, budget=0.5)
    first, second = (list(group.kept) for group in plan.groups)
    assert torch.equal(model[0].conv.weight, whole[0].conv.weight[first])
    assert torch.equal(model[1].conv.weight, whole[1].conv.weight[second][:, first])
    assert torch.equal(model[1].bn.running_var, whole[1].bn.running_var[second])
    assert torch.equal(model[2].bias, whole[2].bias)


def test_the_same_network_gives_the_same_plan():
    assert prune(trained(residual), IMAGE, budget=0.4) == prune(trained(residual), IMAGE, budget=0.4)


def test_importance_is_the_sum_of_the_norms_scales_over_the_mean_of_the_group():
    model = nn.Sequential(layer(3, 4), nn.Conv2d(4, 4, 1, groups=4), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    with torch.no_grad():
        model[0].bn.weight.copy_(torch.tensor([1.0, -2.0, 0.0, 3.0]))
        model[2].weight.copy_(torch.tensor([0.0, 0.0, 1.0, -1.0]))
    (group,) = channel_groups(model, IMAGE)
    assert importance(model, group).tolist() == pytest.approx([0.5, 1.0, 0.5, 2.0])


def test_without_a_norm_importance_is_that_of_the_weights():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Conv2d(2, 2, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([-3.0, 1.0]).view(2, 1, 1, 1))
    (group,) = channel_groups(model, torch.rand(1, 1, 4, 4))
    assert importance(model, group).tolist() == pytest.approx([1.5, 0.5])


def test_the_least_important_channels_go_first():
    model = trained(chain)
    with torch.no_grad():
        model[0].bn.weight.copy_(torch.linspace(0.5, 2, 16))
        model[1].bn.weight.copy_(torch.linspace(2, 0.5, 24))
    first, second = prune(model, IMAGE, budget=0.5).groups
    assert first.kept == tuple(range(16 - len(first.kept), 16))
    assert second.kept == tuple(range(len(second.kept)))


def test_equal_channels_go_in_turn_from_all_layers():
    plan = prune(residual(), IMAGE, budget=0.4)  # γ is 1 everywhere
    shares = [len(group.kept) / group.size for group in plan.groups]
    assert max(shares) - min(shares) <= 2 / 16


def test_no_layer_falls_below_the_minimum():
    model = trained(chain)
    with torch.no_grad():
        model[0].bn.weight.mul_(torch.arange(16) == 0)  # all but one channel look useless
    plan = prune(model, IMAGE, budget=0.5, min_channels=4, min_share=0.5)
    assert [len(group.kept) for group in plan.groups if group.name == "0.conv"] == [8]
    assert all(len(group.kept) >= 8 for group in plan.groups)


@pytest.mark.parametrize("budget", [0, -0.1, 1.5, float("nan")])
def test_a_budget_outside_0_to_1_is_refused(budget):
    with pytest.raises(BudgetError, match=r"not in \(0, 1\]"):
        prune(chain(), IMAGE, budget=budget)


def test_a_budget_out_of_reach_is_refused_with_the_smallest_and_changes_nothing():
    model = trained(residual)
    before = {name: tensor.clone() for name, tensor in named_tensors(model).items()}
    text = str(model)
    with pytest.raises(BudgetError, match=r"budget 0\.001 .* still 0\.\d+; ask") as error:
        prune(model, IMAGE, budget=0.001)
    assert str(model) == text
    assert all(torch.equal(tensor, before[name]) for name, tensor in named_tensors(model).items())
    smallest = float(str(error.value).split("still ")[1].split(";")[0])
    assert prune(model, IMAGE, budget=smallest).ratio <= smallest


def test_budget_1_removes_nothing():
    plan = prune(trained(chain), IMAGE, budget=1)
    assert plan.groups == () and plan.ratio == 1


def test_kept_modules_and_template_features_stay_whole():
    class Tracker(Correlator):
        def forward(self, kernel: Tensor, x: Tensor) -> Tensor:
            return self.head(F.conv2d(self.backbone(x), kernel.transpose(0, 1), groups=kernel.shape[1]))

    model = trained(Tracker)
    plan = prune(model, torch.rand(1, 16, 5, 5), IMAGE, budget=0.8)
    assert [group.name for group in plan.groups] == ["head.0.conv"]
    with pytest.raises(BudgetError, match=r"still 1\.0"):
        prune(trained(Tracker), torch.rand(1, 16, 5, 5), IMAGE, budget=0.8, keep=["head.*"])


def test_parameters_stay_the_same_objects_and_train_on():
    model = trained(residual).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(IMAGE).sum().backward()
    prune(model, IMAGE, budget=0.5)
    assert model.training
    before = model[0].conv.weight.detach().clone()
    model(torch.rand(2, 3, 16, 16)).square().sum().backward()
    optimizer.step()
    assert not torch.equal(model[0].conv.weight, before)


def changed(plan: PruningPlan, **keys) -> dict:
    return {**plan.to_dict(), **keys}


def regrouped(plan: PruningPlan, **keys) -> dict:
    return changed(plan, groups=[{**plan.to_dict()["groups"][0], **keys}])


@pytest.mark.parametrize(("change", "message"), [
    (lambda plan: changed(plan, format="b2nn.plan/1"), "format is 'b2nn.plan/1'"),
    (lambda plan: [1], "format is 'list'"),
    (lambda plan: {"format": "b2nn.pruning/1", "groups": []}, "'architecture' is missing"),
    (lambda plan: regrouped(plan, kept=[3, 2]), "'0.conv' are not ascending"),
    (lambda plan: regrouped(plan, kept=[16]), "from 0 to 15"),
    (lambda plan: regrouped(plan, kept=[]), "from 0 to 15"),
    (lambda plan: regrouped(plan, kept=[[0]]), "int"),
    (lambda plan: regrouped(plan, size=5, kept=[0]), "multiples"),
    (lambda plan: changed(plan, groups=7), "not iterable"),
])
def test_a_malformed_plan_is_refused_with_the_files_name(change, message, tmp_path):
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(change(prune(trained(chain), IMAGE, budget=0.5))))
    with pytest.raises(PlanError, match=message) as error:
        load_pruning_plan(file)
    assert str(file) in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_and_a_broken_one_are_named(tmp_path):
    with pytest.raises(PlanError, match=r"none\.json: cannot be read"):
        load_pruning_plan(tmp_path / "none.json")
    (tmp_path / "half.json").write_text('{"format":')
    with pytest.raises(PlanError, match=r"half\.json: not JSON"):
        load_pruning_plan(tmp_path / "half.json")


@pytest.mark.parametrize(("other", "message"), [
    (lambda: nn.Sequential(layer(3, 16), nn.Conv2d(16, 4, 1)), "'1.conv.weight', which the network lacks"),
    (lambda: nn.Sequential(layer(3, 12), layer(12, 24), nn.Conv2d(24, 4, 1)), "'0.conv.weight' with 16"),
    (lambda: nn.Sequential(layer(3, 16), layer(16, 24), nn.Conv2d(24, 5, 1)), "another network"),
])
def test_a_plan_for_another_network_is_refused_and_the_difference_named(other, message):
    plan = prune(trained(chain), IMAGE, budget=0.5)
    model = other()
    shapes = [tensor.shape for tensor in model.state_dict().values()]
    with pytest.raises(PlanError, match=message):
        apply(model, plan)
    assert [tensor.shape for tensor in model.state_dict().values()] == shapes


def test_a_pruned_network_cannot_be_shaped_twice():
    model = trained(chain)
    plan = prune(model, IMAGE, budget=0.5)
    with pytest.raises(PlanError, match="unpruned network"):
        apply(model, plan)


def test_the_example_of_the_docs_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).resolve().parents[2] / "docs" / "pruning.md"
    code = page.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    variables: dict = {}
    exec(compile(code, str(page), "exec"), variables)
    assert 0.25 < variables["plan"].ratio <= 0.3
    assert str(variables["fresh"]) == str(variables["model"])
