"""MixBin: learn which units deserve full precision, together with the weights, within a budget.

After *Partial Binarization of Neural Networks for Budget-Aware Efficient Learning* (arXiv 2211.06739), which
optimizes the mix of precisions in one training run. Its formulas were not at hand: the relaxation below is
our reading, its continuation follows ChipNet (ICLR 2021, arXiv 2102.07156).

Every eligible unit u computes z_u · full(x) + (1 - z_u) · binary(x), see `GatedUnit`, with

    z_u = logistic(β (ψ_u - τ)),

ψ learned, β rising, and τ solved at every step so that the relaxed ratio, floor + Σ cost_u z_u, equals a
target that falls from nearly 1 to the budget. The gradient goes through τ by the implicit function theorem:
what one unit gains the others lose, in proportion to cost. The usual alternative is to penalize the ratio's
excess over the budget. We tried it: within a few dozen steps all gates fall together to meet the budget,
before there is any evidence. With a solved τ the budget holds throughout, there is no weight to tune, and the
gates only rank.

In the end β has made the gates crisp and a knapsack rounds them, so that no plan is over budget.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import expit
from torch import Tensor, nn

from b2nn.convert import named_units
from b2nn.cost import CostTable
from b2nn.errors import B2nnError
from b2nn.gated import GatedUnit
from b2nn.plan import BinarizationPlan, check_budget, make_plan
from b2nn.recipe import DEFAULT, Recipe
from b2nn.search import knapsack
from b2nn.units import replace_module

# A logistic gate is never quite 0 or 1, so the target keeps this share of its range from both ends.
_MARGIN = 1e-3


@dataclass(frozen=True)
class MixBinOptions:
    """How a search runs.

    Attributes:
        beta_start, beta_end: sharpness β of the gates; rises geometrically over the search.
        start: target ratio at the start, as a share of the way from the floor to 1.
        anneal: share of the search after which the target has fallen, linearly, to the budget.
        gate_lr: learning rate of ψ, for Adam without weight decay.
        lambda_crisp: weight of the mean of z (1 - z), which pushes gates off the middle.
        spread: standard deviation of ψ at the start; breaks the tie between like units.
    """

    beta_start: float = 1.0
    beta_end: float = 50.0
    start: float = 0.95
    anneal: float = 0.5
    gate_lr: float = 1e-2
    lambda_crisp: float = 0.1
    spread: float = 0.01

    def __post_init__(self) -> None:
        for name, valid, rule in (
            ("beta_start", self.beta_start > 0, "above 0"),
            ("beta_end", self.beta_end >= self.beta_start, f"at least beta_start = {self.beta_start}"),
            ("start", 0 < self.start <= 1, "in (0, 1]"),
            ("anneal", 0 < self.anneal <= 1, "in (0, 1]"),
            ("gate_lr", self.gate_lr > 0, "above 0"),
            ("lambda_crisp", self.lambda_crisp >= 0, "at least 0"),
            ("spread", self.spread >= 0, "at least 0"),
        ):
            if not valid:
                raise B2nnError(f"{name} is {getattr(self, name)}, but must be {rule}")


class Relaxation(nn.Module):
    """The gates over a model's eligible units, from opening (construction) to rounding (`finish`).

    Construction replaces the units in the model, in place, by `GatedUnit`s; a BatchNorm that follows a unit
    moves into it. The model is not a submodule: register the relaxation beside it, so that optimizers,
    checkpoints and DistributedDataParallel see `psi`. Call `set_gates` before every forward pass, `set_progress`
    before every step.

    Args:
        model: the network, full precision, trained or not.
        table: its cost.
        budget: the ratio to reach.
        options: see `MixBinOptions`.
        seed: of the gates' start.
        recipe: how the binary branches compute.

    Attributes:
        psi: (n,) one parameter a unit, in the order of `table.eligible`.

    Raises:
        BudgetError: the budget is outside (0, 1] or below the floor.
        PlanError, UnsupportedModule: the table is not of this model.
    """

    costs: Tensor
    progress: Tensor

    def __init__(self, model: nn.Module, table: CostTable, budget: float,
                 options: MixBinOptions | None = None, seed: int = 0, recipe: Recipe = DEFAULT) -> None:
        super().__init__()
        check_budget(table, budget)
        self.table, self.budget, self.seed = table, budget, seed
        self.options = options or MixBinOptions()
        self._names = [unit.name for unit in table.eligible]
        if not self._names:
            raise B2nnError("the network has no eligible layer: there is nothing to choose")
        noise = torch.randn(len(self._names), generator=torch.Generator().manual_seed(seed))
        self.psi = nn.Parameter(self.options.spread * noise)
        # float64, so that the relaxed ratio at crisp gates is the counted one.
        costs = torch.tensor([table.cost(name) for name in self._names], dtype=torch.float64)
        self.register_buffer("costs", costs, persistent=False)
        self.register_buffer("progress", torch.zeros((), dtype=torch.float64))
        self._history: list[dict[str, Any]] = []
        # In a tuple, so that torch does not take the model for a part of this module.
        self._model = (model,)
        self._open(model, recipe)

    def set_progress(self, t: float) -> None:
        """Set β and the target for the share t of the search that is done, in [0, 1]."""
        self.progress.fill_(min(max(t, 0.0), 1.0))

    @property
    def beta(self) -> float:
        """Sharpness of the gates at the present progress."""
        start, end = self.options.beta_start, self.options.beta_end
        return start * (end / start) ** float(self.progress)

    @property
    def target(self) -> float:
        """The relaxed ratio at the present progress."""
        floor = self.table.floor
        start = max(self.budget, floor + self.options.start * (1 - floor))
        done = min(1.0, float(self.progress) / self.options.anneal)
        target = start + done * (self.budget - start)
        margin = _MARGIN * (1 - floor)
        return min(max(target, floor + margin), 1 - margin)

    def gates(self) -> Tensor:
        """(n,) float64 gates z in (0, 1), with gradients to `psi`; their relaxed ratio is `target`."""
        psi, beta, tau = self.psi.double(), self.beta, self._threshold()
        z = torch.sigmoid(beta * (psi - tau))
        slope = beta * (self.costs * z * (1 - z)).sum().detach()
        # One Newton step from the root moves τ by nothing and gives it the gradient of the implicit function.
        # The excess is taken as zero: crisp gates make the slope as small as a rounding error.
        ratio = self._ratio(z)
        step = (ratio - ratio.detach()) / slope.clamp(min=torch.finfo(slope.dtype).tiny)
        return torch.sigmoid(beta * (psi - (tau + step)))

    def ratio(self) -> Tensor:
        """The relaxed ratio, floor + Σ cost · z; at crisp gates the counted ratio of the plan."""
        return self._ratio(self.gates())

    def set_gates(self) -> None:
        """Hand the gates to the units, with their graph: once before every forward pass."""
        z = self.gates().to(self.psi.dtype)
        for gate, modules in zip(z, self._gated, strict=True):
            for module in modules:
                module.z = gate

    def regularizer(self) -> Tensor:
        """λ_crisp · mean z (1 - z), to be added to the task's loss."""
        z = self.gates()
        return (self.options.lambda_crisp * (z * (1 - z)).mean()).to(self.psi.dtype)

    def latent_weights(self) -> list[nn.Parameter]:
        """The weights of the gated units, each once; give them no weight decay, they may yet become bits."""
        return [modules[0].full.weight for modules in self._gated]  # type: ignore[misc]

    def record(self, step: int) -> None:
        """Note the present gates for `trace`; a step already noted, and what followed it, is forgotten."""
        z = self.gates().detach()
        self._history = [entry for entry in self._history if entry["step"] < step]
        self._history.append({"step": step, "beta": self.beta, "target": self.target,
                              "ratio": float(self._ratio(z)), "gates": [round(gate, 6) for gate in
                              z.tolist()]})

    def trace(self) -> dict[str, Any]:
        """JSON-ready history: ``units`` (names) and ``steps``, each with step, beta, target, ratio and
        gates."""
        return {"units": list(self._names), "budget": self.budget, "steps": list(self._history)}

    def resume_trace(self, trace: dict[str, Any]) -> None:
        """Take up the history that `trace` gave before a search was interrupted."""
        self._history = list(trace["steps"])

    @torch.no_grad()
    def finish(self) -> BinarizationPlan:
        """Round the gates to a plan within the budget and leave the model as that plan's mix.

        The knapsack keeps as much as it can of the full-precision FLOPs that the gates ask for (value: cost ·
        z); then whatever still fits is kept too, highest ψ first. A kept unit gets its conv or linear module
        and the BatchNorm of its full-precision branch back, the others become binary layers with theirs.
        """
        z = self.gates().cpu().numpy()
        savings = np.array([unit.saving for unit in self.table.eligible])
        capacity = self.table.capacity(self.budget)
        chosen = knapsack.solve(savings / savings.max() * z, savings, capacity)
        chosen = knapsack.fill(chosen, self.psi.detach().cpu().numpy(), savings, capacity)
        plan = make_plan(self.table, [name for name, keep in zip(self._names, chosen, strict=True) if keep],
                         self.budget, "mixbin", self.seed)
        model = self._model[0]
        for modules, place, keep in zip(self._gated, self._places, chosen, strict=True):
            if place is not None:
                replace_module(model, place, modules[0].full_norm if keep else modules[0].binary_norm)
            for module in modules:
                replace_module(model, module, module.full if keep else module.binary)
        return plan

    def _ratio(self, z: Tensor) -> Tensor:
        return self.table.floor + (self.costs * z).sum()

    def _threshold(self) -> float:
        """τ at which the relaxed ratio is the target."""
        psi, costs = self.psi.detach().cpu().double().numpy(), self.costs.cpu().numpy()
        beta, wanted = self.beta, self.target - self.table.floor
        reach = 50 / beta  # beyond it a gate is 0 or 1 in float64
        low, high = psi.min() - reach, psi.max() + reach
        return brentq(lambda tau: costs @ expit(beta * (psi - tau)) - wanted, low, high)

    def _open(self, model: nn.Module, recipe: Recipe) -> None:
        """Put gated units in place of the eligible ones and move their norms into them."""
        self._gated: list[list[GatedUnit]] = []
        self._places: list[nn.Module | None] = []  # what stands where the norm was
        for unit in named_units(model, self._names):
            name = self.table.unit(unit.name).norm
            norm = None if name is None else model.get_submodule(name)
            place = None if norm is None else nn.Identity()
            if norm is not None and place is not None:
                replace_module(model, norm, place)
            binary_norm = copy.deepcopy(norm)
            gated = [GatedUnit(module, norm, binary_norm, recipe) for module in unit.modules]
            for module, gate in zip(unit.modules, gated, strict=True):
                replace_module(model, module, gate)
            self._places.append(place)
            self._gated.append(gated)


def search(model: nn.Module, table: CostTable, batches: Iterable[Any],
           loss: Callable[[nn.Module, Any], Tensor], budget: float, seed: int = 0, *, steps: int,
           options: MixBinOptions | None = None,
           weight_optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] = torch.optim.Adam,
           ) -> tuple[BinarizationPlan, dict[str, Any]]:
    """Search the mix while training the weights; the model is left partly binary, as the plan says.

    Train it on afterwards: rounding changes the network, `reestimate_batchnorm` is the least it needs.

    Args:
        model: trained in full precision, or not at all; changed in place.
        table: cost of the model.
        batches: gone through again and again, until the steps are done.
        loss: called with the model and a batch; the task's loss, a scalar.
        budget: the ratio to reach.
        seed: of the gates' start; batches and initial weights are the caller's to seed.
        steps: optimizer steps.
        weight_optimizer: makes the optimizer of the model's parameters.

    Returns:
        The plan, and the gates' history as `Relaxation.trace` describes it.
    """
    relaxation = Relaxation(model, table, budget, options, seed).to(next(model.parameters()).device)
    optimizers = [weight_optimizer(model.parameters()),
                  torch.optim.Adam([relaxation.psi], lr=relaxation.options.gate_lr)]
    was_training = model.training
    model.train()
    for step, batch in zip(range(steps), _repeated(batches), strict=False):
        relaxation.set_progress(step / max(1, steps - 1))
        relaxation.set_gates()
        for optimizer in optimizers:
            optimizer.zero_grad()
        (loss(model, batch) + relaxation.regularizer()).backward()
        for optimizer in optimizers:
            optimizer.step()
        if step % max(1, steps // 100) == 0 or step == steps - 1:
            relaxation.record(step)
    plan = relaxation.finish()
    model.train(was_training)
    return plan, relaxation.trace()


def _repeated(batches: Iterable[Any]) -> Iterator[Any]:
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise B2nnError("no batches to search with; give at least one")
