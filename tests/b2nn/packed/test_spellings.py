"""Several ways to write one thing are packed to the same steps, or at least to the same numbers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from packed_networks import settled
from torch import nn

from b2nn.packed import pack
from b2nn.packed.program import Compare, Conv, Gate, Mean
from b2nn.packed.recognise import recognised


class Block(nn.Module):
    """A conv and what one of the spellings makes of its map."""

    def __init__(self, code):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.slope = nn.Parameter(torch.rand(16))
        self.scale = nn.Parameter(torch.rand(16))
        self.nested = nn.Sequential(nn.Identity(), nn.Sequential(self.norm, nn.Dropout(0.2)), nn.ReLU())
        self.code = code

    def forward(self, x):
        return self.code(self, self.conv(x))


def functional_norm(model, y):
    norm = model.norm
    return F.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training, 0.1, norm.eps)


FOLDED = {
    "layers": lambda model, y: F.relu(model.norm(y)),
    "nested": lambda model, y: model.nested(y),
    "F.batch_norm": lambda model, y: functional_norm(model, y).relu(),
    "torch.relu": lambda model, y: torch.relu(model.norm(y)),
    "in place": lambda model, y: torch.relu_(model.norm(y)),
    "torch.add": lambda model, y: torch.add(torch.mul(y, 2), 1).relu(),
    "methods": lambda model, y: y.multiply(2).subtract(1).relu(),
    "torch.divide": lambda model, y: F.relu(torch.divide(y, 3)),
    "a weight of its own": lambda model, y: F.relu(y * model.scale.view(1, -1, 1, 1)),
    "F.prelu": lambda model, y: F.prelu(y, model.slope),
    "contiguous": lambda model, y: model.norm(y.contiguous()).detach().relu(),
}


def assert_equal(model, *inputs):
    packed = pack(model)
    with torch.no_grad():
        wanted = model(*inputs)
    torch.testing.assert_close(packed(*inputs), wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
    return recognised(packed.programs["forward"]).steps


@pytest.mark.parametrize("name", FOLDED)
def test_one_step_for_all_spellings(name):
    steps = assert_equal(settled(Block(FOLDED[name])), torch.randn(2, 3, 8, 8))
    assert [type(step) for step in steps] == [Conv]
    assert steps[0].activation.name == ("prelu" if name == "F.prelu" else "relu")


def test_functional_norms_of_rows():
    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.norm = nn.Linear(12, 16), nn.BatchNorm1d(16)

        def forward(self, x):
            y = functional_norm(self, self.linear(x))
            return functional_norm(self, y.sigmoid())

    assert_equal(settled(Rows()), torch.randn(5, 12))


@pytest.mark.parametrize("mean", [
    lambda y: y.mean((2, 3), keepdim=True), lambda y: torch.mean(y, [-2, -1], keepdim=True),
    lambda y: F.adaptive_avg_pool2d(y, 1), nn.AdaptiveAvgPool2d((1, 1)), lambda y: y.mean(dim=(2, 3), keepdim=True),
])
@pytest.mark.parametrize("sigmoid", [nn.Sigmoid(), torch.sigmoid, lambda y: y.sigmoid(), F.sigmoid])
def test_gates_from_means(mean, sigmoid):
    model = Block(lambda model, y: torch.mul(y, sigmoid(model.mean(y))))
    model.mean = mean if isinstance(mean, nn.Module) else nn.Module()
    if not isinstance(mean, nn.Module):
        model.mean.forward = mean
    if isinstance(sigmoid, nn.Module):
        model.sigmoid = sigmoid
    steps = assert_equal(settled(model), torch.randn(2, 3, 8, 8))
    assert [type(step) for step in steps if not hasattr(step, "function")] == [Conv, Mean, Gate]


@pytest.mark.parametrize("flat", [
    lambda y: y.flatten(1), lambda y: torch.flatten(y, 1), nn.Flatten(), lambda y: y.view(y.size(0), -1),
    lambda y: y.reshape(y.shape[0], -1), lambda y: y.flatten(start_dim=1),
])
def test_maps_as_rows(flat):
    model = Block(lambda model, y: flat(y))
    if isinstance(flat, nn.Module):
        model.flat = flat
    assert_equal(settled(model), torch.randn(2, 3, 8, 8))


@pytest.mark.parametrize("product", [torch.matmul, lambda a, b: a.matmul(b), lambda a, b: a @ b, torch.bmm])
def test_comparisons(product):
    class Compared(nn.Module):
        def forward(self, kernel, x):
            flat = torch.flatten(kernel, 2)
            return torch.unflatten(product(torch.transpose(flat, 1, 2), x.flatten(2)), 2, x.shape[2:])

    steps = assert_equal(Compared(), torch.randn(1, 16, 4, 4), torch.randn(1, 16, 6, 7))
    assert [type(step) for step in steps] == [Compare] or product is torch.bmm
