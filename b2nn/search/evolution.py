"""Evolution: a population of plans within the budget, the better ones mated and mutated.

Random maximal plans to begin with. In each generation the best survive as they are (elitism); the others are
children of two parents, each the best of a few drawn at random (tournament): every unit is inherited from one parent
or the other with equal odds, and now and then one flips. Children over budget drop units at random, and room that is
left is filled at random, so that every candidate keeps the budget and wastes none of it. A plan is judged once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from b2nn.checks import require
from b2nn.search import knapsack
from b2nn.search.problem import Problem
from b2nn.search.random import draw_maximal
from b2nn.search.run import Result, Run


@dataclass(frozen=True)
class Options:
    """How the population lives.

    Attributes:
        population: plans in a generation.
        generations: with the first, random one.
        elite: how many of the best survive a generation.
        tournament: how many are drawn to find one parent.
        mutation: chance that a unit of a child flips; None for one flip a child on average.
        steps, lr: batches that each candidate is trained on before it is judged, and the learning rate.
    """

    population: int = 16
    generations: int = 8
    elite: int = 2
    tournament: int = 3
    mutation: float | None = None
    steps: int = 0
    lr: float = 1e-3

    def __post_init__(self) -> None:
        require(self, "at least 2", population=self.population >= 2)
        require(self, "at least 1", generations=self.generations >= 1)
        require(self, "at least 1 and below population", elite=1 <= self.elite < self.population)
        require(self, "from 1 to population", tournament=1 <= self.tournament <= self.population)
        require(self, "from 0 to 1 or None", mutation=self.mutation is None or 0 <= self.mutation <= 1)
        require(self, "at least 0", steps=self.steps >= 0)
        require(self, "above 0", lr=self.lr > 0)


def search(problem: Problem, budget: float, seed: int = 0, options: Options | None = None,
           state: Path | None = None) -> Result:
    """The best plan of all generations; trace: ``candidates`` of the last one, each with ``full`` and ``loss``,
    best first, and ``best``, the lowest loss of each generation."""
    options = options or Options()
    run = Run(problem, "evolution", budget, seed, options, state)
    rng = np.random.default_rng(seed)
    population = [draw_maximal(run.savings, run.capacity, rng) for _ in range(options.population)]
    best: list[float] = []
    while True:
        keys = [run.subset(chosen) for chosen in population]
        losses = run.losses(keys, options.steps, options.lr)
        order = sorted(range(len(keys)), key=lambda place: (losses[place], keys[place]))
        best.append(losses[order[0]])
        if len(best) == options.generations:
            candidates: list[dict[str, Any]] = [{"full": list(keys[i]), "loss": losses[i]} for i in order]
            return run.finish(keys[order[0]], candidates=candidates, best=best)
        ranked = [population[place] for place in order]
        population = ranked[:options.elite] + [
            repair(_child(ranked, options, rng), run.savings, run.capacity, rng)
            for _ in range(options.population - options.elite)]


def repair(chosen: np.ndarray, costs: np.ndarray, capacity: float, rng: np.random.Generator) -> np.ndarray:
    """A maximal subset near `chosen`: items leave at random until it fits, then others join at random.

    Args:
        chosen: (n,) bool.
        costs: (n,) > 0.
        capacity: >= 0, in the unit of the costs.

    Returns:
        (n,) bool.
    """
    fitting = chosen.copy()
    for item in rng.permutation(np.flatnonzero(chosen)):
        if knapsack.fits(fitting, costs, capacity):
            break
        fitting[item] = False
    return knapsack.fill(fitting, rng.random(len(costs)), costs, capacity)


def _child(ranked: list[np.ndarray], options: Options, rng: np.random.Generator) -> np.ndarray:
    """Crossover and mutation; `ranked` is the population, best first."""
    mother, father = (ranked[rng.choice(len(ranked), options.tournament, replace=False).min()] for _ in range(2))
    count = len(mother)
    child = np.where(rng.random(count) < 0.5, mother, father)
    return child ^ (rng.random(count) < (1 / count if options.mutation is None else options.mutation))
