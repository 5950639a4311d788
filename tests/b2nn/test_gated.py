import copy
import pickle

import pytest
import torch
from torch import nn

from b2nn.gated import GatedUnit
from b2nn.recipe import SCALES, Recipe

CASES = [
    (nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), (2, 3, 5, 5)),
    (nn.Linear(3, 4), nn.BatchNorm1d(4), (6, 3)),
    (nn.Linear(3, 4), None, (2, 6, 3)),
]


def gated(module, norm, scale="mean"):
    unit = GatedUnit(copy.deepcopy(module), copy.deepcopy(norm), copy.deepcopy(norm), Recipe(scale=scale))
    unit(torch.randn(8, 3, 5, 5) if isinstance(module, nn.Conv2d) else torch.randn(8, 3))  # unlike statistics
    return unit.eval()


@pytest.mark.parametrize("module, norm, size", CASES)
@pytest.mark.parametrize("number", [float, torch.tensor])
@pytest.mark.parametrize("scale", SCALES)
def test_the_limits_are_the_branches_bit_for_bit(module, norm, size, number, scale):
    unit, x = gated(module, norm, scale), torch.randn(size)
    unit.z = number(1.0)
    assert torch.equal(unit(x), unit.full_norm(unit.full(x)))
    unit.z = number(0.0)
    assert torch.equal(unit(x), unit.binary_norm(unit.binary(x)))


def test_between_the_limits_it_mixes():
    unit, x = gated(*CASES[0][:2]), torch.randn(CASES[0][2])
    full, binary = unit.full_norm(unit.full(x)), unit.binary_norm(unit.binary(x))
    unit.z = 0.25
    assert torch.allclose(unit(x), 0.25 * full + 0.75 * binary)


@pytest.mark.parametrize("module, norm, size", CASES)
def test_every_channel_may_have_its_own_gate(module, norm, size):
    unit, x = gated(module, norm), torch.randn(size)
    full, binary = unit.full_norm(unit.full(x)), unit.binary_norm(unit.binary(x))
    unit.z = torch.tensor([1.0, 0.0, 0.25, 1.0])
    axis = 1 if isinstance(module, nn.Conv2d) else -1
    mixed, full, binary = (output.unbind(axis) for output in (unit(x), full, binary))
    assert torch.equal(mixed[0], full[0]) and torch.equal(mixed[1], binary[1]) and torch.equal(mixed[3], full[3])
    assert torch.allclose(mixed[2], 0.25 * full[2] + 0.75 * binary[2])


def test_each_branch_keeps_its_own_statistics():
    unit = GatedUnit(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4))
    unit(torch.randn(8, 3, 5, 5))
    assert not torch.allclose(unit.full_norm.running_var, unit.binary_norm.running_var)


def test_both_branches_train_one_weight():
    unit = GatedUnit(nn.Conv2d(3, 4, 1))
    assert unit.full.weight is unit.binary.weight
    assert sum(1 for name, _ in unit.named_parameters() if "weight" in name) == 1
    gradients = []
    for z in (1.0, 0.0, 0.5):
        unit.zero_grad()
        unit.z = z
        torch.manual_seed(1)
        unit(torch.randn(2, 3, 4, 4)).square().mean().backward()
        gradients.append(unit.full.weight.grad.clone())
    assert gradients[0].any() and gradients[1].any() and not torch.allclose(gradients[0], gradients[1])


def test_the_gate_receives_a_gradient():
    unit, x = gated(*CASES[0][:2]), torch.randn(CASES[0][2])
    unit.z = torch.tensor(0.5, requires_grad=True)
    unit(x).sum().backward()
    difference = unit.full_norm(unit.full(x)) - unit.binary_norm(unit.binary(x))
    assert unit.z.grad.item() == pytest.approx(difference.sum().item(), rel=1e-3)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda unit: pickle.loads(pickle.dumps(unit))])
def test_a_copy_in_mid_search_keeps_value_and_sharing(copied):
    unit, x = gated(*CASES[0][:2]), torch.randn(CASES[0][2])
    unit.z = torch.sigmoid(torch.tensor(0.3, requires_grad=True))  # not a leaf: torch alone could not copy it
    twin = copied(unit)
    assert torch.equal(twin(x), unit(x)) and twin.full.weight is twin.binary.weight
    assert unit.z.requires_grad


def test_saved_weights_load_into_another_unit():
    first, second = gated(*CASES[0][:2]), GatedUnit(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4),
                                                   nn.BatchNorm2d(4)).eval()
    second.load_state_dict(first.state_dict())
    first.z = second.z = 0.5
    x = torch.randn(CASES[0][2])
    assert torch.equal(first(x), second(x))


def test_autocast_keeps_the_narrow_dtype():
    unit = gated(*CASES[0][:2])
    for unit.z in (torch.tensor(0.5), torch.full((4,), 0.5)):
        with torch.autocast("cpu", torch.bfloat16):
            assert unit(torch.randn(CASES[0][2])).dtype == torch.bfloat16
