"""Costs by another metric than FLOPs. Whatever adds up over layers can be a budget: plans and searches only add.

Costs are whole numbers (bits, nanoseconds), so that what a plan costs is exact and no rounding breaks a budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from b2nn.cost import CostTable, UnitCost

_BITS = 32  # of a parameter in full precision


def memory(table: CostTable) -> CostTable:
    """Bits of all parameters: 1 for a weight of a binary layer, 32 for everything else, run or not.

    Biases and BatchNorm are in it; thresholds and scales of binary layers are not, as they fold into BatchNorm.
    """
    whole = table.undivided
    spent = {unit.name: (_BITS * unit.parameters, _BITS * (unit.parameters - unit.weights) + unit.weights)
             for unit in whole.units}
    return whole.priced("memory", spent, _BITS * (whole.parameters - sum(unit.parameters for unit in whole.units)))


class Seconds(NamedTuple):
    """Measured time of one layer in each precision; `binary` is None of layers that are never binary."""

    full: float
    binary: float | None


def latency(table: CostTable, measured: Mapping[str, Seconds], network: float) -> CostTable:
    """Nanoseconds of one forward pass, from measurements in seconds.

    Args:
        measured: by layer.
        network: the whole network in full precision. What the layers do not add up to is everything else's.
    """
    whole = table.undivided
    spent = {unit.name: _nanoseconds(unit, measured[unit.name]) for unit in whole.units}
    return whole.priced("latency", spent, max(0, round(network * 1e9) - sum(full for full, _ in spent.values())))


def _nanoseconds(unit: UnitCost, seconds: Seconds) -> tuple[int, int]:
    """A layer that bits do not speed up may run as ±1 in full precision; to have it binary is then counted as a gain of
    a nanosecond a channel, lest a search be indifferent."""
    channels = unit.weight_shape[0]
    full = max(round(seconds.full * 1e9), channels + 1)
    binary = full if seconds.binary is None else round(seconds.binary * 1e9)
    return full, max(1, min(binary, full - channels))
