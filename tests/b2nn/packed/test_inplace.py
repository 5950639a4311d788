"""What a model does in place, in training mode or by hooks: computed as the model does, or refused by name."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from packed_networks import settled
from torch import nn
from torch.nn.utils import parametrizations, prune, weight_norm

from b2nn import UnsupportedModule
from b2nn.packed import pack, reference


class Written(nn.Module):
    """A conv, then some code on its map; `code` is called with the module and the map."""

    def __init__(self, code):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.act = nn.ReLU(inplace=True)
        self.register_buffer("count", torch.zeros(()))
        self.code = code

    def forward(self, x):
        return self.code(self, self.norm(self.conv(x)))


def also(statement):
    """Code that is a statement about its map, whose own value is not used."""
    def code(model, y):
        statement(model, y)
        return y
    return code


def iadd(model, y):
    alias = y
    alias += 1.5
    return y * 2


def sizes(model, y):
    half = y.shape[2]
    half //= 2
    half += 1
    return y[:, :, :half] + y.shape[2]


def chained(model, y):
    z = y.sub_(0.3).mul_(2)
    z += y
    return z - y


RIGHT = {
    "sub_": also(lambda model, y: y.sub_(0.5)),
    "sigmoid_": also(lambda model, y: y.sigmoid_()),
    "masked_fill_": also(lambda model, y: y.masked_fill_(y > 0.2, -3.0)),
    "leaky_relu_": also(lambda model, y: F.leaky_relu_(y, 0.3)),
    "torch.sigmoid_": also(lambda model, y: torch.sigmoid_(y)),
    "relu inplace": also(lambda model, y: F.relu(y, inplace=True)),
    "relu inplace by position": also(lambda model, y: F.relu(y, True)),
    "a layer": also(lambda model, y: model.act(y)),
    "+= through an alias": iadd,
    "several": chained,
    "sizes": sizes,
    "on a copy": lambda model, y: y.clone().add_(1) + y,
}


@pytest.mark.parametrize("name", RIGHT)
def test_operations_in_place_are_seen_by_who_reads_later(name):
    model, x = settled(Written(RIGHT[name])), torch.randn(2, 3, 8, 8)
    packed = pack(model)
    with torch.no_grad():
        wanted = model(x)
    for found in (packed(x), reference.run(packed.programs["forward"], (x,))):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def through_a_view(model, y):
    flat = y.flatten(1)
    y.relu_()
    return flat


REFUSED = {
    "a slice": (also(lambda model, y: y[:, :4].add_(1)), "add changes 'getitem' in place, which shows in 'norm' too"),
    "a view": (through_a_view, "changes 'norm' in place, which shows in 'flatten' too"),
    "out": (also(lambda model, y: torch.add(y, 1, out=y)), "add writes into its argument `out`"),
    "no other form": (also(lambda model, y: y.zero_()), "Tensor.zero_ works in place and has no form"),
    "an own buffer": (lambda model, y: y + model.count.add_(1), "changes its buffer 'count' with every call"),
    "a parameter": (also(lambda model, y: model.norm.weight.add_(1)), "changes 'norm.weight' with every call"),
    "memory": (lambda model, y: y.data_ptr(), "Tensor.data_ptr reaches beyond"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_show_elsewhere_is_refused(name):
    code, message = REFUSED[name]
    model = settled(Written(code))
    with pytest.raises(UnsupportedModule, match=message):
        pack(model)
    assert float(model.count) == 0


class Moody(nn.Module):
    """Something else in training and in evaluation mode."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)

    def forward(self, x):
        x = F.dropout(self.norm(self.conv(x)), 0.5, self.training)
        return x * 3 if self.training else x


def test_models_in_training_mode_are_packed_as_they_evaluate():
    model, x = settled(Moody()), torch.randn(1, 3, 8, 8)
    wanted = model(x)
    model.train()
    model.norm.eval()
    torch.testing.assert_close(pack(model)(x), wanted, rtol=1e-4, atol=1e-4)
    assert model.training and model.conv.training and not model.norm.training


def test_batches_statistics_in_a_function_are_refused():
    model = Written(lambda model, y: F.batch_norm(y, model.norm.running_mean, model.norm.running_var, training=True))
    with pytest.raises(UnsupportedModule, match="statistics of each batch"):
        pack(model)


@pytest.mark.parametrize("hooked", [
    lambda conv: conv.register_forward_hook(lambda module, args, y: y + 1),
    lambda conv: conv.register_forward_pre_hook(lambda module, args: (args[0] + 1,)),
    lambda conv: prune.random_unstructured(conv, "weight", 0.5),
    pytest.param(weight_norm, marks=pytest.mark.filterwarnings("ignore::FutureWarning")),
])
def test_hooks_are_refused_with_the_remedy(hooked):
    model = nn.Sequential(nn.Conv2d(3, 8, 3))
    hooked(model[0])
    with pytest.raises(UnsupportedModule, match=r"module '0' \(Conv2d\) has forward hooks.*remove"):
        pack(model)


def test_parametrized_weights_are_packed_as_they_are():
    model = nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 8, 3)), nn.ReLU()).eval()
    model[0].parametrizations.weight.original0.data.mul_(2)
    x, packed = torch.randn(1, 3, 8, 8), pack(model)
    torch.testing.assert_close(packed(x), model(x).detach(), rtol=1e-4, atol=1e-4)
    assert len(packed.programs["forward"].steps) == 1
