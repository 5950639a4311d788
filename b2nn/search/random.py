"""A random mix: every maximal plan within the budget is equally likely. The baseline any search has to beat.

A plan is maximal if no unit it leaves binary would still fit in full precision. Units of one cost are alike, so a plan
is drawn by how many of each cost it keeps, and then which. The cheapest cost of which a unit is left binary, and how
many of that cost are kept, split the maximal plans into classes: everything cheaper is kept, and of the dearer ones any
subset is that leaves less than this cost of the capacity unused. Such subsets are counted by dynamic programming over
costs in whole cells. Counted FLOPs have a large common divisor, and cells of that size are exact. Where they would be
too many, costs are rounded, in a window widened by the greatest rounding error; a draw that with its exact costs is no
maximal plan is drawn again. So the draw is uniform whatever the rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from b2nn.cost import LANES
from b2nn.search.knapsack import fits
from b2nn.search.problem import Problem
from b2nn.search.run import Result, Run

CELLS = 4096  # of the capacity where costs are rounded; finer cells cost memory, coarser ones more draws
EXACT_CELLS = 2**20  # up to which cells are exact


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
    levels, sizes = np.unique(ranked, return_counts=True)
    cells, spare, slack = _in_cells(levels, capacity, len(ranked))
    counts = _subset_counts(cells, sizes, spare + slack)
    classes = _classes(cells, sizes, spare, slack)
    weights = np.array([_comb(sizes[level], kept) * counts[level + 1][low:high + 1].sum()
                        for level, kept, low, high in classes])
    while True:
        chosen = _draw(cells, sizes, counts, classes[rng.choice(len(classes), p=_shares(weights))], rng)
        if _maximal(chosen, ranked, capacity):
            result = np.zeros_like(chosen)
            result[order] = chosen
            return result


def _in_cells(levels: np.ndarray, capacity: float, items: int) -> tuple[np.ndarray, int, int]:
    """The costs `levels` and the capacity in cells, and by how many cells a sum of so many items may be wrong."""
    fine, room = levels * (LANES / 2), math.floor(capacity * (LANES / 2))  # FLOPs are multiples of 2 / LANES
    if (fine == np.round(fine)).all() and fine.max() < 2**53:
        whole = fine.astype(np.int64)
        divisor = int(np.gcd.reduce(whole))
        if room // divisor <= EXACT_CELLS:
            return whole // divisor, room // divisor, 0
    # Rounding moves a sum by at most half a cell an item.
    return np.round(levels / capacity * CELLS).astype(np.int64), CELLS, items // 2 + 1


def _subset_counts(cells: np.ndarray, sizes: np.ndarray, top: int) -> list[np.ndarray]:
    """counts[i][s]: subsets of the items of level i and above with sum s <= top; exact to 2^53, then to a part in
    10^15."""
    counts = [np.zeros(top + 1, dtype=np.longdouble)]  # a thousand items have more subsets than float64 can count
    counts[0][0] = 1
    for cell, size in zip(cells[::-1], sizes[::-1], strict=True):
        ways = counts[0]
        for _ in range(size):
            with_item = ways.copy()
            with_item[cell:] += ways[:max(0, top + 1 - cell)]
            ways = with_item
        counts.insert(0, ways)
    return counts


def _classes(cells: np.ndarray, sizes: np.ndarray, spare: int, slack: int) -> list[tuple[int, int, int, int]]:
    """The cheapest level that is not kept whole, how many of it are, and the sums, first and last, that the dearer
    items may have then."""
    classes = []
    for level, (cell, size) in enumerate(zip(cells.tolist(), sizes.tolist(), strict=True)):
        for kept in range(size):
            classes.append((level, kept, max(0, spare - cell - slack), max(-1, spare + slack)))
            spare -= cell
    return classes


def _draw(cells: np.ndarray, sizes: np.ndarray, counts: list[np.ndarray], drawn: tuple[int, int, int, int],
          rng: np.random.Generator) -> np.ndarray:
    """One subset, uniform over those of the class that is `drawn`."""
    level, kept, low, high = drawn
    sums = counts[level + 1][low:high + 1]
    rest = low + rng.choice(len(sums), p=_shares(sums))
    numbers = [*sizes[:level], kept]
    for above in range(level + 1, len(sizes)):
        left = rest - cells[above] * np.arange(sizes[above] + 1)
        ways = np.array([_comb(sizes[above], number) * counts[above + 1][sum_] if sum_ >= 0 else np.longdouble(0)
                         for number, sum_ in enumerate(left)])
        numbers.append(rng.choice(len(ways), p=_shares(ways)))
        rest = left[numbers[-1]]
    return np.concatenate([rng.permutation(size) < number for size, number in zip(sizes, numbers, strict=True)])


def _comb(items: int, kept: int) -> np.longdouble:
    return np.longdouble(math.comb(items, kept))


def _shares(weights: np.ndarray) -> np.ndarray:
    """Probabilities, as float64."""
    return (weights / weights.sum()).astype(np.float64)


def _maximal(chosen: np.ndarray, ranked: np.ndarray, capacity: float) -> bool:
    """Whether the subset fits and the cheapest item left out would not; `ranked` costs rise."""
    total = math.fsum(ranked[chosen])
    return total <= capacity < math.fsum([*ranked[chosen], ranked[~chosen].min()])
