import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from b2nn.gated import GatedUnit
from b2nn.layers import BinaryConv2d, BinaryLinear
from b2nn.regularizers import kurtosis, kurtosis_loss

DISTRIBUTIONS = {  # as sorted samples, so that nothing is left to chance
    "two equal peaks": (torch.tensor([-1.0, 1.0]).repeat(1000), 1.0),
    "uniform": (torch.linspace(-2, 5, 10_001), 1.8),
    "normal": (torch.special.ndtri(torch.linspace(0, 1, 200_003, dtype=torch.float64)[1:-1]), 3.0),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_kurtosis_of_known_distributions(name):
    values, expected = DISTRIBUTIONS[name]
    assert kurtosis(values).item() == pytest.approx(expected, rel=2e-3)


@given(st.integers(0, 1000), st.floats(0.01, 100), st.floats(-10, 10))
def test_kurtosis_knows_neither_scale_nor_place_and_is_at_least_one(seed, scale, place):
    values = torch.randn(50, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert kurtosis(values * scale + place).item() == pytest.approx(kurtosis(values).item(), rel=1e-6)
    assert kurtosis(values) >= 1


def test_kurtosis_and_its_gradient_are_finite_where_nothing_varies():
    values = torch.full((7,), 0.3, requires_grad=True)
    kurtosis(values).backward()
    assert kurtosis(values).isfinite() and values.grad.isfinite().all()


def test_the_gradient_of_kurtosis_is_its_derivative():
    assert torch.autograd.gradcheck(kurtosis, torch.randn(4, 5, dtype=torch.float64, requires_grad=True))


def test_the_loss_is_the_mean_over_binary_layers_and_leaves_other_weights_alone():
    layer, other = BinaryLinear(4, 4), BinaryConv2d(2, 4, 3)
    layer.weight.data = torch.tensor([-1.0, 1.0]).repeat(8).view(4, 4)
    other.weight.data = torch.linspace(-1, 1, 72).view(4, 2, 3, 3)
    model = nn.Sequential(nn.Conv2d(3, 2, 1), other, layer, GatedUnit(nn.Linear(4, 2)))
    assert kurtosis_loss(model, target=2.0).item() == pytest.approx((1.0 + (2 - 1.8) ** 2) / 2, abs=1e-3)
    kurtosis_loss(model).backward()
    touched = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert touched == {"1.weight", "2.weight"}
    assert kurtosis_loss(nn.Linear(2, 2)) == 0


def test_descent_on_the_loss_reaches_the_target():
    layer = BinaryLinear(16, 16)
    nn.init.normal_(layer.weight)
    optimizer = torch.optim.Adam([layer.weight], lr=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        kurtosis_loss(layer, 1.8).backward()
        optimizer.step()
    assert kurtosis(layer.weight).item() == pytest.approx(1.8, abs=0.05)
