"""Exact 0/1 knapsack: which units to keep in full precision within a budget."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from b2nn.cost import CostTable


def choose(table: CostTable, budget: float, values: Mapping[str, float],
           preference: Mapping[str, float] | None = None) -> list[str]:
    """The eligible units of greatest total value that the budget lets stay in full precision.

    Whatever still fits beside them is kept too, the most preferred first. Ties go to the first name.

    Args:
        values: of every eligible unit, by name; those of no or negative value are only kept where room is left.
        preference: for the room that is left; the values by default.
    """
    names = sorted(unit.name for unit in table.eligible)
    savings = np.array([table.unit(name).saving for name in names])
    capacity = table.capacity(budget)
    chosen = solve(np.array([values[name] for name in names]), savings, capacity)
    chosen = fill(chosen, np.array([(preference or values)[name] for name in names]), savings, capacity)
    return [name for name, keep in zip(names, chosen, strict=True) if keep]


def solve(values: np.ndarray, costs: np.ndarray, capacity: float) -> np.ndarray:
    """The subset of greatest total value whose total cost is at most `capacity`.

    Costs are summed exactly (`math.fsum`), so the answer never exceeds the capacity, not by one unit in the
    last place. Items of no or negative value are left out. Among items alike in value and cost the earlier
    are taken.

    Args:
        values: (n,) finite.
        costs: (n,) finite, >= 0.
        capacity: in the unit of the costs; below 0 nothing fits.

    Returns:
        (n,) bool.
    """
    values, costs = np.asarray(values, dtype=np.float64), np.asarray(costs, dtype=np.float64)
    chosen = np.zeros(len(values), dtype=bool)
    items = np.flatnonzero((values > 0) & (costs <= capacity))
    if len(items):
        chosen[items] = _solve(values[items], costs[items], capacity)
    return chosen


def fill(chosen: np.ndarray, preference: np.ndarray, costs: np.ndarray, capacity: float) -> np.ndarray:
    """`chosen` and whatever else fits beside it, the most preferred first, ties by order; (n,) bool."""
    filled = np.array(chosen, dtype=bool)
    for item in np.argsort(-np.asarray(preference), kind="stable"):
        if not filled[item]:
            filled[item] = True
            filled[item] = fits(filled, costs, capacity)
    return filled


def fits(chosen: np.ndarray, costs: np.ndarray, capacity: float) -> bool:
    """Whether the exact sum of the chosen costs is at most `capacity`."""
    return math.fsum(np.asarray(costs)[chosen]) <= capacity


def _solve(values: np.ndarray, costs: np.ndarray, capacity: float) -> np.ndarray:
    """As `solve`, for items that have a value and fit alone."""
    everything = np.ones(len(values), dtype=bool)
    if fits(everything, costs, capacity):
        return everything
    # The solver works to tolerances, hence the scaling; a set that it wrongly finds to fit is cut off by a
    # row that forbids this set and all that contain it.
    rows, bounds = [costs / capacity], [1.0]
    for earlier, later in _alike(values, costs):
        row = np.zeros(len(values))
        row[earlier], row[later] = -1.0, 1.0
        rows.append(row)
        bounds.append(0.0)
    while True:
        result = milp(-values / values.max(), integrality=np.ones(len(values)), bounds=Bounds(0, 1),
                      constraints=LinearConstraint(np.array(rows), ub=bounds), options={"mip_rel_gap": 0.0})
        chosen = result.x > 0.5
        if fits(chosen, costs, capacity):
            return chosen
        rows.append(chosen.astype(np.float64))
        bounds.append(chosen.sum() - 1.0)


def _alike(values: np.ndarray, costs: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of neighbours, by order, among the items that agree in value and cost."""
    latest: dict[tuple[float, float], int] = {}
    pairs = []
    for item, key in enumerate(zip(values.tolist(), costs.tolist(), strict=True)):
        if key in latest:
            pairs.append((latest[key], item))
        latest[key] = item
    return pairs
