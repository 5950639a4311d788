"""A layer of both precisions: some of its output channels binary, the others full, side by side."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from b2nn.layers import BinaryUnit


class MixedUnit(nn.Module):
    """A full-precision and a binary layer, each with its own rows of a conv's or linear layer's weight.

    Their outputs are concatenated and brought into the order of the channels. Each channel is what `full` or `binary`
    alone would have made it. A conv of several groups hands each of the two the inputs of its own groups.

    Args:
        full, binary: the layer whole in both precisions. New `nn.Parameter`s take their rows of weight, bias and
            learned scale.
        bits: (out,) bool, the channels that are binary, neither none nor all; groups are not cut through.
        taken: the rows taken so far by modules that share parameters with these, by `id` of the whole parameter.
    """

    order: Tensor | None
    full_inputs: Tensor | None
    binary_inputs: Tensor | None

    def __init__(self, full: nn.Module, binary: BinaryUnit, bits: Tensor,
                 taken: tuple[dict[int, Any], dict[int, Any]] | None = None) -> None:
        super().__init__()
        taken, bits = taken or ({}, {}), bits.to(binary.weight.device)
        self.full, self.binary = _rows(full, ~bits, taken[0]), _rows(binary, bits, taken[1])
        self.training = full.training
        self._axis = -3 if binary.weight.ndim == 4 else -1  # of the channels
        self._binary_first = bool(bits[0])
        order = torch.cat([side.nonzero() for side in self._arranged(~bits, bits)]).flatten().argsort()
        self.register_buffer("order", order if (order.diff() < 0).any() else None, persistent=False)
        for name, side in (("full_inputs", ~bits), ("binary_inputs", bits)):
            self.register_buffer(name, _inputs(full, side), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        outputs = (self.full(_take(x, self.full_inputs, self._axis)),
                   self.binary(_take(x, self.binary_inputs, self._axis)))
        return _take(torch.cat(self._arranged(*outputs), self._axis), self.order, self._axis)

    def _arranged(self, full: Tensor, binary: Tensor) -> tuple[Tensor, Tensor]:
        """As they are concatenated: the one of the first channel first, so that two runs of channels need no order."""
        return (binary, full) if self._binary_first else (full, binary)


def forms(layers: Sequence[tuple[nn.Module, BinaryUnit]], bits: Tensor) -> list[nn.Module]:
    """What stands for each of the layers of one unit when its channels `bits`, (out,) bool, are binary.

    Args:
        layers: each in full precision and binary. Parameters that they share they go on sharing.
    """
    if bits.all():
        return [binary for _, binary in layers]
    if not bits.any():
        return [full for full, _ in layers]
    taken: tuple[dict[int, Any], dict[int, Any]] = ({}, {})
    return [MixedUnit(full, binary, bits, taken) for full, binary in layers]


def _rows(layer: Any, channels: Tensor, taken: dict[int, Any]) -> Any:
    """A copy of `layer` that makes the output `channels`, (out,) bool, only."""
    for name in ("weight", "bias", "scale"):
        whole = layer._parameters.get(name)
        if whole is not None and id(whole) not in taken:
            taken[id(whole)] = nn.Parameter(whole.detach()[channels], whole.requires_grad)
    part = copy.deepcopy(layer, taken)  # which puts what was taken in the place of what it was taken from
    count = int(channels.sum())
    if isinstance(layer, nn.Linear):
        part.out_features = count
        return part
    inputs = _inputs(layer, channels)
    part.groups, part.out_channels = max(1, layer.groups * count // layer.out_channels), count
    if inputs is not None:
        part.in_channels = len(inputs)
        if isinstance(part, BinaryUnit):
            part.shift = nn.Parameter(layer.shift.detach()[inputs], layer.shift.requires_grad)
    return part


def _inputs(layer: Any, channels: Tensor) -> Tensor | None:
    """Places of the inputs that the output `channels` of a conv of several groups see; None where they see all."""
    groups = getattr(layer, "groups", 1)
    if groups == 1:
        return None
    return channels.view(groups, -1)[:, 0].repeat_interleave(layer.in_channels // groups).nonzero().flatten()


def _take(x: Tensor, places: Tensor | None, axis: int) -> Tensor:
    return x if places is None else x.index_select(axis, places)
