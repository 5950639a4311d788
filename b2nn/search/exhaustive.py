"""Exhaustive: every plan within the budget that leaves no room is judged, and the best is taken.

What the other strategies approximate; for networks with few units.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from b2nn.checks import require
from b2nn.cost import CostTable
from b2nn.errors import B2nnError
from b2nn.search import knapsack
from b2nn.search.problem import Problem
from b2nn.search.run import Result, Run


@dataclass(frozen=True)
class Options:
    """How far it may go.

    Attributes:
        max_units: networks with more eligible units are refused; n units have 2^n mixes.
        steps, lr: batches that each candidate is trained on before it is judged, and the learning rate.
    """

    max_units: int = 12
    steps: int = 0
    lr: float = 1e-3

    def __post_init__(self) -> None:
        require(self, "from 1 to 24", max_units=1 <= self.max_units <= 24)
        require(self, "at least 0", steps=self.steps >= 0)
        require(self, "above 0", lr=self.lr > 0)


def search(problem: Problem, budget: float, seed: int = 0, options: Options | None = None,
           state: Path | None = None) -> Result:
    """The plan of the lowest held-out loss; trace: ``candidates``, each with ``full`` and ``loss``, best first.

    Raises:
        B2nnError: there are more than `max_units` eligible units.
    """
    options = options or Options()
    check(problem.table, options)
    run = Run(problem, "exhaustive", budget, seed, options, state)
    candidates = [run.subset(chosen) for chosen in maximal_subsets(run.savings, run.capacity)]
    ranked = sorted(zip(run.losses(candidates, options.steps, options.lr), candidates, strict=True))
    return run.finish(ranked[0][1], candidates=[{"full": list(full), "loss": loss} for loss, full in ranked])


def check(table: CostTable, options: Options) -> None:
    """`B2nnError` where there are more than `max_units` eligible units."""
    count = len(table.eligible)
    if count > options.max_units:
        raise B2nnError(f"exhaustive search: {count} eligible layers have 2^{count} mixes, above "
                        f"2^{options.max_units}; exclude layers, raise max_units or use another strategy")


def maximal_subsets(costs: np.ndarray, capacity: float) -> Iterator[np.ndarray]:
    """Every subset that fits into `capacity` and to which nothing can be added, (n,) bool each.

    Args:
        costs: (n,) > 0.
        capacity: >= 0, in the unit of the costs.
    """
    def extend(chosen: np.ndarray, item: int) -> Iterator[np.ndarray]:
        if item == len(costs):
            if (knapsack.fill(chosen, -costs, costs, capacity) == chosen).all():
                yield chosen
            return
        with_item = chosen.copy()
        with_item[item] = True
        if knapsack.fits(with_item, costs, capacity):
            yield from extend(with_item, item + 1)
        yield from extend(chosen, item + 1)

    yield from extend(np.zeros(len(costs), dtype=bool), 0)
