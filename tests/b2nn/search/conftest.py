"""A problem whose answer is known, and every strategy with options that make it quick."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from b2nn.cost import profile
from b2nn.search import STRATEGIES, options_of
from b2nn.search.problem import Problem

QUICK = {"mixbin": dict(steps=60, save_every=7), "iterative": dict(steps=2), "hessian": dict(probes=4),
         "evolution": dict(population=8, generations=6)}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def quick_options(name):
    return options_of(name)(**QUICK.get(name, {}))


@pytest.fixture(params=STRATEGIES)
def strategy_name(request):
    return request.param


class Planted(nn.Module):
    """Residual blocks of equal cost; those of weight 0.02 hardly matter, so they can be binary at no loss."""

    def __init__(self, weights):
        super().__init__()
        self.weights = weights
        self.stem, self.head = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 4, 1)
        self.convs = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1, bias=False) for _ in weights)
        self.norms = nn.ModuleList(nn.BatchNorm2d(16) for _ in weights)

    def forward(self, x):
        x = self.stem(x)
        for weight, conv, norm in zip(self.weights, self.convs, self.norms, strict=True):
            x = x + weight * norm(conv(x))
        return self.head(x)


def imitation(model, batch):
    return F.mse_loss(model(batch[0]), batch[1])


def planted(weights, batches=20, size=12):
    """The problem of keeping the network's own outputs."""
    model = Planted(weights)
    for _ in range(20):
        model(torch.randn(16, 3, size, size))
    inputs = [torch.randn(16, 3, size, size) for _ in range(batches + 2)]
    with torch.no_grad():
        pairs = [(x, model.eval()(x)) for x in inputs]
    return Problem(model, profile(model, inputs[0][:1]), imitation, pairs[:-2], pairs[-2:], batchnorm_batches=4)


@pytest.fixture
def small_problem():
    """Four units, two of which matter."""
    return planted((1, 0.02, 1, 0.02), batches=6, size=6)
