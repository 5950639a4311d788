"""Sensitivity: how much the held-out loss rises when one unit alone is binary; an exact knapsack over that.

One evaluation a unit. It knows nothing of how binary units act together, which is what other strategies add.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from b2nn.search import knapsack
from b2nn.search.problem import Problem
from b2nn.search.run import Result, Run


@dataclass(frozen=True)
class Options:
    """There is nothing to choose."""


def search(problem: Problem, budget: float, seed: int = 0, options: Options | None = None,
           state: Path | None = None) -> Result:
    """The plan that keeps the greatest total rise of the loss away; trace: ``loss`` with every unit in full
    precision, and ``scores``, each unit's rise."""
    run = Run(problem, "sensitivity", budget, seed, options or Options(), state)
    alone = [tuple(other for other in run.names if other != name) for name in run.names]
    whole, *losses = run.losses([run.names, *alone])
    scores = {name: loss - whole for name, loss in zip(run.names, losses, strict=True)}
    return run.finish(knapsack.choose(problem.table, budget, scores), loss=whole, scores=scores)
