"""The schedule of MixBin's gates: how sharp they are, what they may cost, and the threshold that keeps them to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from b2nn.checks import require

BUDGET_BY = ("threshold", "penalty")
# A logistic gate is never quite 0 or 1, so the target keeps this share of its range from both ends.
_MARGIN = 1e-3


@dataclass(frozen=True)
class GateOptions:
    """How gates decide, in whatever loop the weights are trained.

    Attributes:
        beta_start, beta_end: sharpness β of the gates; rises geometrically over the search.
        budget_by: what keeps the budget, ``threshold`` or ``penalty``, see `b2nn.search.mixbin`.
        start: target ratio at the start, as a share of the way from the floor to 1; of the threshold.
        anneal: share of the search after which the target has fallen, linearly, to the budget; of the threshold.
        settle: share of the search after which the target is the ratio of the plan that the gates then round to, so
            that no gate has to stay open to fill a budget that whole units cannot; of the threshold.
        lambda_budget: weight of the squared excess over the budget; of the penalty. 30 as in ChipNet.
        gate_lr: learning rate of ψ, for Adam without weight decay.
        lambda_crisp: weight of the mean of z (1 - z), which pushes gates off the middle.
        crisp: the search is over when the budget is met and no gate's z (1 - z) is above this; 0 for never.
        spread: standard deviation of ψ at the start; breaks the tie between like units.
    """

    beta_start: float = 1.0
    beta_end: float = 200.0
    budget_by: str = "threshold"
    start: float = 0.95
    anneal: float = 0.5
    settle: float = 0.8
    lambda_budget: float = 30.0
    gate_lr: float = 1e-2
    lambda_crisp: float = 0.1
    crisp: float = 1e-3
    spread: float = 0.01

    def __post_init__(self) -> None:
        require(self, "above 0", beta_start=self.beta_start > 0)
        require(self, f"at least beta_start = {self.beta_start}", beta_end=self.beta_end >= self.beta_start)
        require(self, " or ".join(BUDGET_BY), budget_by=self.budget_by in BUDGET_BY)
        require(self, "in (0, 1]", start=0 < self.start <= 1, anneal=0 < self.anneal <= 1)
        require(self, f"from anneal = {self.anneal} to 1", settle=self.anneal <= self.settle <= 1)
        require(self, "above 0", gate_lr=self.gate_lr > 0)
        require(self, "at least 0", lambda_budget=self.lambda_budget >= 0, lambda_crisp=self.lambda_crisp >= 0,
                crisp=self.crisp >= 0, spread=self.spread >= 0)


def sharpness(options: GateOptions, t: float) -> float:
    """β for the share t of the search that is done, in [0, 1]."""
    return options.beta_start * (options.beta_end / options.beta_start) ** t


def annealed_target(options: GateOptions, floor: float, budget: float, t: float) -> float:
    """The ratio to keep to: falls from `start` to the budget while t rises to `anneal`."""
    start = max(budget, floor + options.start * (1 - floor))
    return start + min(1.0, t / options.anneal) * (budget - start)


def reachable(target: float, floor: float) -> float:
    """The target, moved off the ends of the range, which gates only approach."""
    margin = _MARGIN * (1 - floor)
    return min(max(target, floor + margin), 1 - margin)


def threshold(psi: np.ndarray, costs: np.ndarray, beta: float, wanted: float) -> float:
    """τ at which Σ costs · logistic(β (ψ - τ)) is `wanted`, strictly between 0 and Σ costs.

    Args:
        psi, costs: (n,).
    """
    reach = 50 / beta  # beyond it a gate is 0 or 1 in float64
    return brentq(lambda tau: costs @ expit(beta * (psi - tau)) - wanted, psi.min() - reach, psi.max() + reach)
