"""A random mix: every maximal plan within the budget is equally likely. The baseline any search has to beat.

A plan is maximal if no unit it leaves binary would still fit in full precision. Sort the units by cost: the
cheapest unit i left binary splits the maximal plans into classes. Everything cheaper is kept, and of the
dearer ones any subset is that leaves less than cost i of the capacity unused. Such subsets are counted by
dynamic programming over rounded costs, in a window widened by the greatest rounding error; one is drawn
uniformly, and drawn again if with its exact costs it is no maximal plan. So the draw is uniform whatever the
rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from b2nn.search.knapsack import fits
from b2nn.search.problem import Problem
from b2nn.search.run import Result, Run

CELLS = 4096  # of the capacity; finer cells cost memory, coarser ones more draws


@dataclass(frozen=True)
class Options:
    """There is nothing to choose."""


def search(problem: Problem, budget: float, seed: int = 0, options: Options | None = None,
           state: Path | None = None) -> Result:
    """A plan drawn uniformly from the maximal plans within `budget`; needs neither weights nor data."""
    run = Run(problem, "random", budget, seed, options or Options(), state)
    units = problem.table.eligible
    chosen = draw_maximal(np.array([unit.saving for unit in units]), run.capacity, np.random.default_rng(seed))
    return run.finish([unit.name for unit, keep in zip(units, chosen, strict=True) if keep])


def draw_maximal(costs: np.ndarray, capacity: float, rng: np.random.Generator) -> np.ndarray:
    """A subset, uniform over those that fit into `capacity` and to which nothing can be added.

    Args:
        costs: (n,) > 0.
        capacity: >= 0, in the unit of the costs.

    Returns:
        (n,) bool.
    """
    order = np.argsort(costs, kind="stable")
    ranked = np.asarray(costs, dtype=np.float64)[order]
    chosen = np.zeros(len(ranked), dtype=bool)
    if fits(~chosen, ranked, capacity):
        return ~chosen
    if ranked[0] > capacity:
        return chosen
    cells = np.round(ranked / capacity * CELLS).astype(np.int64)
    slack = len(ranked) // 2 + 1  # rounding moves a sum by at most half a cell an item
    counts = _subset_counts(cells, CELLS + slack)
    windows = _windows(ranked, cells, capacity, slack)
    weights = np.array([counts[i + 1][low:high + 1].sum() for i, (low, high) in enumerate(windows)])
    while True:
        chosen = _draw(cells, counts, windows, weights, rng)
        if _maximal(chosen, ranked, capacity):
            result = np.zeros_like(chosen)
            result[order] = chosen
            return result


def _subset_counts(cells: np.ndarray, top: int) -> list[np.ndarray]:
    """counts[i][s]: subsets of the items from i on with sum s <= top; exact to 2^53, then to a part in
    10^15."""
    counts = [np.zeros(top + 1)]
    counts[0][0] = 1
    for cell in cells[::-1]:
        with_item = counts[0].copy()
        with_item[cell:] += counts[0][:max(0, top + 1 - cell)]
        counts.insert(0, with_item)
    return counts


def _windows(ranked: np.ndarray, cells: np.ndarray, capacity: float, slack: int) -> list[tuple[int, int]]:
    """For each item as the cheapest one left out: the sums, first and last, that the dearer items may
    have."""
    windows = []
    for i in range(len(ranked)):
        spare = CELLS - int(cells[:i].sum())
        windows.append((max(0, spare - int(cells[i]) - slack), max(-1, spare + slack)))
    return windows


def _draw(cells: np.ndarray, counts: list[np.ndarray], windows: list[tuple[int, int]], weights: np.ndarray,
          rng: np.random.Generator) -> np.ndarray:
    """One subset, uniform over those that the windows admit."""
    left_out = rng.choice(len(cells), p=weights / weights.sum())
    low, high = windows[left_out]
    sums = counts[left_out + 1][low:high + 1]
    rest = low + rng.choice(len(sums), p=sums / sums.sum())
    chosen = np.arange(len(cells)) < left_out
    for i in range(left_out + 1, len(cells)):
        if cells[i] <= rest and rng.random() * counts[i][rest] < counts[i + 1][rest - cells[i]]:
            chosen[i] = True
            rest -= cells[i]
    return chosen


def _maximal(chosen: np.ndarray, ranked: np.ndarray, capacity: float) -> bool:
    """Whether the subset fits and the cheapest item left out would not; `ranked` costs rise."""
    total = math.fsum(ranked[chosen])
    return total <= capacity < math.fsum([*ranked[chosen], ranked[~chosen].min()])
