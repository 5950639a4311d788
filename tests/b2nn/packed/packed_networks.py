"""Networks that packing must understand, with statistics and constants that are nowhere trivial."""

from __future__ import annotations

from collections import namedtuple

import torch
import torch.nn.functional as F
from torch import nn

from b2nn import BinaryConv2d, BinaryLinear, Recipe
from b2nn.activations import activation

Answer = namedtuple("Answer", "score box")


def settled(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model with random BatchNorms, slopes and shifts, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor, low, high in ((module.running_mean, -0.5, 0.5), (module.running_var, 0.5, 1.5),
                                      (module.weight.data, -1.0, 1.5), (module.bias.data, -0.5, 0.5)):
                tensor.uniform_(low, high, generator=generator)
        for name, parameter in module.named_parameters(recurse=False):
            if name in ("shift", "shift_in", "shift_out"):
                parameter.data.uniform_(-0.4, 0.4, generator=generator)
            if name == "distance":
                parameter.data.fill_(0.7)
        if isinstance(module, nn.PReLU):
            module.weight.data.uniform_(-0.2, 0.6, generator=generator)
    return model.eval().requires_grad_(False)


class Plain(nn.Module):
    """A conv in full precision and two binary ones, each with BatchNorm and activation, a shortcut around the last."""

    def __init__(self, recipe: Recipe, act: str = "prelu", channels: int = 17, **shape) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, 2, 1)
        self.norm0, self.act0 = nn.BatchNorm2d(channels), activation(act, channels)
        self.first = BinaryConv2d(channels, channels, 3, recipe=recipe, **shape)
        self.norm1, self.act1 = nn.BatchNorm2d(channels), activation(act, channels)
        self.second = BinaryConv2d(channels, channels, 3, padding=1, bias=False, recipe=recipe)
        self.norm2, self.act2 = nn.BatchNorm2d(channels), activation(act, channels)

    def forward(self, x):
        x = self.act1(self.norm1(self.first(self.act0(self.norm0(self.stem(x))))))
        return self.act2(self.norm2(self.second(x)) + x)


class Shared(nn.Module):
    """Layers called twice, works in place, pools, arithmetic, a linear end, a named tuple; two methods."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.1, -0.2, 0.3]).view(1, 3, 1, 1))
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True),
                                  nn.MaxPool2d(3, 2, 1))
        self.conv, self.norm = BinaryConv2d(16, 16, 3, padding=1, recipe=recipe), nn.BatchNorm2d(16)
        self.pool = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
        self.depthwise = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.hidden, self.hidden_norm = BinaryLinear(32, 10, recipe=recipe), nn.BatchNorm1d(10)
        self.output = nn.Linear(10, 4)

    def features(self, x):
        x = self.stem((x - self.mean) / 0.5)
        x += self.norm(self.conv(x))
        y = F.relu(self.norm(self.conv(x)), inplace=True)
        return self.pool(torch.cat((x, y), 1))

    def answer(self, x):
        x = F.hardswish(self.depthwise(x)) * 0.5 + x
        hidden = F.relu(self.hidden_norm(self.hidden(x.mean((2, 3)))))
        return Answer(self.output(hidden)[:, 0].sigmoid(), self.output(hidden)[:, 1:])

    def forward(self, x):
        return self.answer(self.features(x))
