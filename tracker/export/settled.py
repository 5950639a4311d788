"""Networks whose bits are told what to be, where rounding alone decides.

A float sum that is rounded otherwise can put a binary unit's input on the other side of its threshold, and one flipped
bit moves everything behind it. So another form's bits are compared with those of the network one by one: each that
differs must have had an input within rounding of the threshold. The network then goes on with the other form's bits,
and what both answer in the end must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from b2nn.layers import BinaryUnit
from tracker.errors import TrackerError

TOLERANCE = 1e-4
"""Greatest difference, as a share of the largest value."""


@dataclass
class Settled:
    """How many inputs of binary units were looked at, and how many of them fell on the other side of the threshold."""

    bits: int = 0
    flipped: int = 0


@contextmanager
def settled_by(network: nn.Module, bits: Callable[[BinaryUnit], Tensor], other: str) -> Iterator[Settled]:
    """Inside, inputs of binary units that are within rounding of the threshold fall on the side that `bits` says.

    Args:
        bits: called with a unit each time that it runs; True where its input is not below the threshold.
        other: whose bits these are, for messages.

    Raises:
        TrackerError: bits differ by more than rounding.
    """
    settled = Settled()

    def settle(unit: Any, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x, high = arguments[0], bits(unit)
        shift = unit.shift.view(-1, 1, 1) if x.ndim == 4 else unit.shift
        wrong = (x >= shift) != high
        settled.bits += wrong.numel()
        settled.flipped += int(wrong.sum())
        if bool(wrong.any()) and float((x - shift).abs()[wrong].max()) > TOLERANCE * float(x.abs().max()):
            raise TrackerError(f"{other} bits differ from the network's by more than rounding at a layer of "
                               f"{unit.weight.shape[0]} outputs; nothing is written")
        below = torch.nextafter(shift, torch.full_like(shift, -torch.inf))
        return (torch.where(wrong, torch.where(high, shift, below), x),)

    hooks = [unit.register_forward_pre_hook(settle) for unit in network.modules() if isinstance(unit, BinaryUnit)]
    try:
        yield settled
    finally:
        for hook in hooks:
            hook.remove()
