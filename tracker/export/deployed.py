"""Networks rewritten for a graph that stands alone: bits made explicit, correlations without a fixed batch."""

from __future__ import annotations

import copy
from functools import reduce
from operator import add

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from b2nn.layers import BinaryUnit
from b2nn.units import replace_module
from tracker.errors import TrackerError
from tracker.models import Network
from tracker.models.correlation import DepthwiseCorrelation
from tracker.models.nanotrack import ChannelCorrelation


def deployed(network: Network, any_batch: bool) -> Network:
    """A copy of the network, in evaluation mode, that computes the same.

    Binary units become a comparison and a plain conv or linear layer of two weights a channel, scale included, so that
    no latent weight is left and a BatchNorm behind it folds into them.

    Args:
        any_batch: correlations are written out as sums of products. The grouped conv that computes them faster has a
            number of groups, and so a batch, that a graph fixes.

    Raises:
        TrackerError: a binary unit scales by window means (``xnor``).
    """
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for module in list(network.modules()):
        if isinstance(module, BinaryUnit):
            replace_module(network, module, _explicit(module))
        elif any_batch and isinstance(module, DepthwiseCorrelation):
            replace_module(network, module, SummedDepthwise())
        elif any_batch and isinstance(module, ChannelCorrelation):
            replace_module(network, module, SummedChannel(module))
    return network


class Bits(nn.Module):
    """The two values that stand for the bits of a binary unit's inputs."""

    shift: Tensor
    high: Tensor
    low: Tensor

    def __init__(self, unit: BinaryUnit) -> None:
        super().__init__()
        shift = unit.shift.view(-1, 1, 1) if isinstance(unit, nn.Conv2d) else unit.shift
        centre, distance = torch.zeros_like(shift), torch.ones_like(shift)
        if unit.distance is not None:
            centre, distance = shift, unit.distance.abs().clamp(min=1e-8)
        for name, value in (("shift", shift), ("high", centre + distance), ("low", centre - distance)):
            self.register_buffer(name, value.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x >= self.shift, self.high, self.low)


def _explicit(unit: BinaryUnit) -> nn.Module:
    if unit.recipe.scale == "xnor":
        raise TrackerError("a binary layer has the scale 'xnor', a baseline whose window means are not exported; train "
                           "with finetune.recipe.scale mean, learned, none or adabin")
    layer: nn.Module
    if isinstance(unit, nn.Conv2d):
        layer = nn.Conv2d(unit.in_channels, unit.out_channels, unit.kernel_size, unit.stride, unit.padding,
                          unit.dilation, unit.groups)
    else:
        layer = nn.Linear(unit.in_features, unit.out_features)
    weight = unit.kernel()
    if unit.recipe.scale != "adabin":  # whose kernel has its scale already
        weight = weight * unit.alpha().view(-1, *[1] * (weight.ndim - 1))
    layer.weight, layer.bias = nn.Parameter(weight.detach()), unit.bias
    return nn.Sequential(Bits(unit), layer).eval().requires_grad_(False)


class SummedDepthwise(nn.Module):
    """`DepthwiseCorrelation` as a sum over the template's cells."""

    def forward(self, template: Tensor, search: Tensor) -> Tensor:  # (B, C, k, k), (B, C, H, W) -> (B, C, H, W)
        return summed_products(template, search, template.shape[-1] // 2)


class SummedChannel(nn.Module):
    """`ChannelCorrelation` as a sum over the template's cells."""

    def __init__(self, grouped: ChannelCorrelation) -> None:
        super().__init__()
        self.kernel, self.search = grouped.kernel, grouped.search

    def forward(self, kernel: Tensor, search: Tensor) -> Tensor:  # (B, C, 8, 8), (B, C, H, W) -> (B, C, H - 1, W - 1)
        return summed_products(self.kernel(kernel[:, :, 2:6, 2:6]), self.search(search), 1)


def summed_products(kernel: Tensor, maps: Tensor, padding: int) -> Tensor:
    """Every channel of `maps`, (B, C, H, W), correlated with its own (k, k) of `kernel`, (B, C, k, k), and stride 1."""
    size = int(kernel.shape[-1])
    maps = F.pad(maps, [padding] * 4)
    height, width = (int(side) - size + 1 for side in maps.shape[2:])
    terms = (kernel[:, :, i:i + 1, j:j + 1] * maps[:, :, i:i + height, j:j + width]
             for i in range(size) for j in range(size))
    return reduce(add, terms)
