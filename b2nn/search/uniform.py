"""Uniform: the first or the last units of the network stay in full precision. No data, no luck: the plainest rule.

Units are taken in the order of execution as long as the budget lasts; one that does not fit is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from b2nn.checks import require
from b2nn.search import knapsack
from b2nn.search.problem import Problem
from b2nn.search.run import Result, Run


@dataclass(frozen=True)
class Options:
    """Which end of the network is kept.

    Attributes:
        keep: ``first`` or ``last``.
    """

    keep: str = "last"

    def __post_init__(self) -> None:
        require(self, "first or last", keep=self.keep in ("first", "last"))


def search(problem: Problem, budget: float, seed: int = 0, options: Options | None = None,
           state: Path | None = None) -> Result:
    """The plan of the rule; trace: ``scores``, each unit's place counted from the end that is dropped."""
    options = options or Options()
    run = Run(problem, "uniform", budget, seed, options, state)
    sign = -1 if options.keep == "first" else 1
    order = np.array([sign * problem.table.unit(name).order for name in run.names])
    chosen = knapsack.fill(np.zeros(len(order), dtype=bool), order, run.savings, run.capacity)
    return run.finish(run.subset(chosen), scores=dict(zip(run.names, order.tolist(), strict=True)))
