"""MixBin: learn which units deserve full precision, together with the weights, within a budget.

After *Partial Binarization of Neural Networks for Budget-Aware Efficient Learning* (arXiv 2211.06739), which
optimizes the mix of precisions in one training run. Its formulas were not at hand: the relaxation below is
our reading, its continuation follows ChipNet (ICLR 2021, arXiv 2102.07156).

Every eligible unit u computes z_u · full(x) + (1 - z_u) · binary(x), see `GatedUnit`, with

    z_u = logistic(β (ψ_u - τ)),

ψ learned and β rising. Two things can keep the relaxed ratio, r = floor + Σ cost_u z_u, to the budget B:

- ``threshold``, the default: τ is solved at every step so that r equals a target that falls from nearly 1 to B.
  The gradient goes through τ by the implicit function theorem: what one unit gains the others lose, in
  proportion to cost. There is no weight to tune, and the gates only rank.
- ``penalty``: τ is 0, and λ_budget · max(0, r - B)² is added to the loss. We tried it first: within a few dozen
  steps all gates fall together to meet the budget, before there is any evidence.

In the end β has made the gates crisp and a knapsack rounds them, so that no plan is over budget.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from b2nn.checks import require
from b2nn.convert import set_progress
from b2nn.errors import B2nnError
from b2nn.search.ledger import identified, refuse_other
from b2nn.search.problem import Problem, repeated
from b2nn.search.ranks import from_first, rank_and_count
from b2nn.search.relaxation import Relaxation
from b2nn.search.run import Result, Run
from b2nn.search.schedule import GateOptions

__all__ = ["GateOptions", "Options", "Relaxation", "search"]


@dataclass(frozen=True)
class Options(GateOptions):
    """How `search` runs: how gates decide, and the loop that trains the weights with them.

    Attributes:
        steps: batches.
        lr: learning rate of the weights, for Adam.
        save_every: steps between two versions of the state file.
    """

    steps: int = 400
    lr: float = 1e-3
    save_every: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "at least 1", steps=self.steps >= 1, save_every=self.save_every >= 1)
        require(self, "above 0", lr=self.lr > 0)


def search(problem: Problem, budget: float, seed: int = 0, options: Options | None = None,
           state: Path | None = None) -> Result:
    """Learn the mix on a copy of the model; what stays is the plan and, as trace, `Relaxation.trace` and the costs.

    The problem's held-out batches are not needed. With several processes each does the same.

    Args:
        seed: of the gates' start, and of whatever the model draws at random.
        state: a checkpoint, written every `save_every` steps, from which a killed search goes on.
    """
    options = options or Options()
    run = Run(problem, "mixbin", budget, seed, options)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        loop = _Loop(problem, budget, seed, options, {**run.identity(), "budget": budget,
                                                            "metric": problem.table.metric})
        loop.load(state)
        for batch in islice(repeated(problem.batches), loop.done, None):
            if loop.step(batch):
                break
            if state is not None and loop.done % options.save_every == 0:
                loop.save(state)
    trace = loop.relaxation.trace()
    costs = {"forward_passes": loop.done, "backward_passes": loop.done, "seconds": round(loop.seconds, 6)}
    return loop.relaxation.finish(), run.trace(costs, **trace)


class _Loop:
    """The training of a relaxed copy of the problem's model, from one step to the next."""

    def __init__(self, problem: Problem, budget: float, seed: int, options: Options, identity: dict[str, Any]) -> None:
        self.problem, self.options, self.identity = problem, options, identified(identity)
        self.model = copy.deepcopy(problem.model).train()
        device = next(self.model.parameters()).device
        self.relaxation = Relaxation(self.model, problem.table, budget, options, seed, problem.recipe).to(device)
        self.optimizers = [torch.optim.Adam(self.model.parameters(), lr=options.lr),
                           torch.optim.Adam([self.relaxation.psi], lr=options.gate_lr)]
        self.done = 0
        self.seconds = 0.0

    def step(self, batch: Any) -> bool:
        """Train on one batch; whether the search is over."""
        started = time.perf_counter()
        share = self.done / max(1, self.options.steps - 1)
        set_progress(self.model, share)
        self.relaxation.set_progress(share)
        self.relaxation.set_gates()
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        (self.problem.loss(self.model, batch) + self.relaxation.regularizer()).backward()
        for optimizer in self.optimizers:
            optimizer.step()
        over = self.done + 1 == self.options.steps or self.relaxation.crisp()
        if over or self.done % max(1, self.options.steps // 100) == 0:
            self.relaxation.record(self.done)
        self.done += 1
        self.seconds += time.perf_counter() - started
        return over

    def save(self, path: Path) -> None:
        """Write everything the next step depends on, whole."""
        if rank_and_count()[0]:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.tmp")
        torch.save({**self.identity, "done": self.done, "seconds": self.seconds, "random": torch.get_rng_state(),
                    "history": self.relaxation.trace(), "model": self.model.state_dict(),
                    "relaxation": self.relaxation.state_dict(),
                    "optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}, partial)
        partial.replace(path)

    def load(self, path: Path | None) -> None:
        """Go on from what `save` wrote, if it did."""
        stored = from_first(lambda: None if path is None or not path.is_file() else _read(path, self.identity))
        if stored is None:
            return
        self.done, self.seconds = stored["done"], stored["seconds"]
        torch.set_rng_state(stored["random"])
        self.relaxation.resume_trace(stored["history"])
        self.relaxation.load_state_dict(stored["relaxation"])
        self.model.load_state_dict(stored["model"])
        for optimizer, state in zip(self.optimizers, stored["optimizers"], strict=True):
            optimizer.load_state_dict(state)


def _read(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """A state file; `B2nnError` if it is that of another search."""
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch says of a file that is not its own
        raise B2nnError(f"{path}: holds no search; name another file") from error
    facts = {name: stored.get(name) for name in identity} if isinstance(stored, dict) else None
    refuse_other(path, facts, identity)
    return stored
