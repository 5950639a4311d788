"""One run of a strategy: its ledger, its candidates, and the plan and trace that come of it."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from b2nn.errors import B2nnError
from b2nn.plan import BinarizationPlan, architecture_hash, check_budget, make_plan
from b2nn.search.ledger import Key, Ledger
from b2nn.search.problem import Problem, evaluate

Result = tuple[BinarizationPlan, dict[str, Any]]


class Run:
    """What all strategies share.

    Args:
        options: the strategy's, a dataclass.
        state: file that keeps what was worked out, so that a killed search goes on and one at another budget need not
            do it again; None keeps nothing.

    Attributes:
        names: of the eligible units, sorted: whatever prefers the first breaks ties by name.
        savings: (n,) FLOPs that each of them saves as a binary unit.
        capacity: FLOPs of savings that may be given up within the budget.

    Raises:
        BudgetError: the budget is outside (0, 1] or below the floor.
        B2nnError: no unit is eligible, or `state` is the file of another search.
    """

    def __init__(self, problem: Problem, strategy: str, budget: float, seed: int, options: Any,
                 state: Path | None = None) -> None:
        check_budget(problem.table, budget)
        if not problem.table.eligible:
            raise B2nnError("the network has no eligible layer: there is nothing to choose")
        self.problem, self.strategy, self.budget, self.seed, self.options = problem, strategy, budget, seed, options
        units = sorted(problem.table.eligible, key=lambda unit: unit.name)
        self.names = tuple(unit.name for unit in units)
        self.savings = np.array([unit.saving for unit in units])
        self.capacity = problem.table.capacity(budget)
        self.ledger = Ledger(state, self.identity(), budget)

    def identity(self) -> dict[str, Any]:
        """JSON-ready facts that decide what a piece of work comes to; neither the budget nor what the batches hold is
        among them."""
        return {"strategy": self.strategy, "architecture": architecture_hash(self.problem.table),
                "units": self._units(), "weights": fingerprint(self.problem.model), "seed": self.seed,
                "batchnorm_batches": self.problem.batchnorm_batches, "held_out": len(self.problem.held_out),
                "options": asdict(self.options), "recipe": asdict(self.problem.recipe)}

    def _units(self) -> str:
        """Tells apart how layers are divided, which the architecture's hash does not."""
        return f"{len(self.names)} with checksum {zlib.crc32(' '.join(self.names).encode()):08x}"

    def subset(self, chosen: np.ndarray) -> Key:
        """Names of the units where `chosen`, (n,) bool, is true."""
        return tuple(name for name, keep in zip(self.names, chosen, strict=True) if keep)

    def losses(self, candidates: Sequence[Key], steps: int = 0, lr: float = 1e-3) -> list[float]:
        """Held-out loss of each candidate, the names it keeps in full precision; see `problem.evaluate`."""
        return self.ledger.values(candidates, lambda full: evaluate(self.problem, full, steps, lr, self.seed))

    def finish(self, full: Collection[str], **decided_by: Any) -> Result:
        """The plan that keeps `full`, and the trace: which search it was, its costs, and what it decided by."""
        plan = make_plan(self.problem.table, full, self.budget, self.strategy, self.seed)
        return plan, self.trace(self.ledger.costs(), **decided_by)

    def trace(self, costs: dict[str, Any], **decided_by: Any) -> dict[str, Any]:
        """JSON-ready."""
        return {"strategy": self.strategy, "budget": self.budget, "seed": self.seed, "options": asdict(self.options),
                **costs, **decided_by}


def fingerprint(model: nn.Module) -> str:
    """Checksum of all weights and buffers."""
    checksum = 0
    for tensor in model.state_dict().values():
        plain = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        checksum = zlib.crc32(plain.numpy(), checksum)
    return f"{checksum:08x}"
