"""Networks of several widths within one budget.

The budget is a share of the FLOPs of the configuration's own network in full precision, whatever the width. So all
widths cost the same: a wider network must be more binary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mmengine.config import Config

from b2nn.cost import CostTable
from b2nn.errors import BudgetError
from b2nn.plan import rounded_up
from tracker.models import build_network, cost_table
from tracker.training.job import sized


@dataclass(frozen=True)
class Sized:
    """One width.

    Attributes:
        width: of the backbone.
        config: with this width.
        table: costs of its network.
        budget: share of its own FLOPs that it may cost; None where even its floor is too dear. A network that is
            within the budget as it is has a budget of 1.
        floor: cost with every eligible unit binary, as a share of the reference's FLOPs.
        own: whether it is the configuration's own width.
    """

    width: float
    config: Config
    table: CostTable
    budget: float | None
    floor: float
    own: bool


def sized_networks(config: Config, widths: Sequence[float], budget: float) -> list[Sized]:
    """Every width with what a budget leaves it, narrow ones first.

    Args:
        budget: share of the FLOPs of the configuration's own network.

    Raises:
        BudgetError: no width can meet the budget.
    """
    total = cost_table(build_network(config.model)).total
    found = []
    for width in sorted(widths):
        other = sized(config, width)
        table = cost_table(build_network(other.model))
        found.append(Sized(width, other, table, own_budget(table, budget, total), table.counted(()) / total,
                           width == config.model.backbone.width))
    if all(one.budget is None for one in found):
        floors = ", ".join(f"{one.width:g} has {rounded_up(one.floor)}" for one in found)
        raise BudgetError(f"--width: no width can meet --budget {budget:g}; with every eligible layer binary {floors}")
    return found


def own_budget(table: CostTable, budget: float, total: int) -> float | None:
    """The share of the network's own FLOPs that is at most `budget` of `total` FLOPs; None where it is below the floor.

    Whatever keeps this budget keeps the other exactly, rounding included.
    """
    share = min(1.0, budget * total / table.total)
    while share >= table.floor:
        if (table.counted(()) + table.capacity(share)) / total <= budget:
            return share
        share = math.nextafter(share, 0.0)
    return None
