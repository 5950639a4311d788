"""Iterative: the full-precision set grows one unit at a time, as in the first version of MixBin (arXiv 2211.06739v1).

All units begin binary. In each round every binary unit that still fits is tried in full precision: the mix is
trained for a few batches and judged on held-out ones, and the unit with the lowest loss is kept. It ends when
nothing fits. The paper was at hand in its abstract only; that every candidate starts from the weights of the
full-precision network, not from those of the round before, is our choice: it makes a candidate's loss a
matter of the candidate alone. Ties go to the first name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from b2nn.checks import require
from b2nn.search.ledger import Key
from b2nn.search.problem import Problem
from b2nn.search.run import Result, Run


@dataclass(frozen=True)
class Options:
    """How candidates are trained.

    Attributes:
        steps: batches a candidate; 0 only judges it.
        lr: learning rate of Adam.
    """

    steps: int = 20
    lr: float = 1e-3

    def __post_init__(self) -> None:
        require(self, "at least 0", steps=self.steps >= 0)
        require(self, "above 0", lr=self.lr > 0)


def search(problem: Problem, budget: float, seed: int = 0, options: Options | None = None,
           state: Path | None = None) -> Result:
    """The plan that has grown; trace: ``steps``, each with the unit ``kept``, its ``loss`` and the ``losses`` of all
    that were tried, by unit."""
    options = options or Options()
    run = Run(problem, "iterative", budget, seed, options, state)
    savings = dict(zip(run.names, run.savings.tolist(), strict=True))
    full: set[str] = set()
    rounds: list[dict[str, Any]] = []
    while True:
        room = run.capacity - sum(savings[name] for name in full)  # exact: counted FLOPs are multiples of 1 / 32
        tried = [name for name in run.names if name not in full and savings[name] <= room]
        if not tried:
            return run.finish(full, steps=rounds)
        candidates: list[Key] = [tuple(sorted({*full, name})) for name in tried]
        losses = dict(zip(tried, run.losses(candidates, options.steps, options.lr), strict=True))
        kept = min(losses, key=lambda name: losses[name])
        full.add(kept)
        rounds.append({"kept": kept, "loss": losses[kept], "losses": losses})
