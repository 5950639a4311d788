"""MixBin without a training loop: a network opened to gates, and rounded to a plan in the end."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from b2nn.convert import named_units
from b2nn.cost import CostTable
from b2nn.errors import B2nnError
from b2nn.gated import GatedUnit
from b2nn.mixed import forms
from b2nn.parts import Part, by_layer
from b2nn.plan import BinarizationPlan, check_budget, make_plan
from b2nn.recipe import DEFAULT, Recipe
from b2nn.search import knapsack, schedule
from b2nn.search.schedule import GateOptions
from b2nn.units import Unit, replace_module


class _Layer(NamedTuple):
    """A layer that is open to gates.

    Attributes:
        gated: what stands for each of its modules.
        place: what stands where its norm was; None if it has none of its own.
        gates: places of its gates in ψ: that of the whole layer, or (out,) that of each channel's part.
    """

    gated: list[GatedUnit]
    place: nn.Module | None
    gates: int | Tensor


class Relaxation(nn.Module):
    """The gates over a model's eligible units, from opening (construction) to rounding (`finish`).

    Construction replaces the layers in the model, in place, by `GatedUnit`s; a BatchNorm that follows a layer
    moves into it. The parts of one layer share its gated module, each with a gate for its channels. The model is not a
    submodule: register the relaxation beside it, so that optimizers, checkpoints and DistributedDataParallel see `psi`.
    Call `set_gates` before every forward pass, `set_progress` before every step.

    Args:
        model: the network, full precision, trained or not.
        table: its cost.
        budget: the ratio to reach.
        options: see `GateOptions`.
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
    settled: Tensor

    def __init__(self, model: nn.Module, table: CostTable, budget: float,
                 options: GateOptions | None = None, seed: int = 0, recipe: Recipe = DEFAULT) -> None:
        super().__init__()
        check_budget(table, budget)
        self.table, self.budget, self.seed = table, budget, seed
        self.options = options or GateOptions()
        self._names = [unit.name for unit in table.eligible]
        if not self._names:
            raise B2nnError("the network has no eligible layer: there is nothing to choose")
        noise = torch.randn(len(self._names), generator=torch.Generator().manual_seed(seed))
        self.psi = nn.Parameter(self.options.spread * noise)
        # float64, so that the relaxed ratio at crisp gates is the counted one.
        costs = torch.tensor([table.cost(name) for name in self._names], dtype=torch.float64)
        self.register_buffer("costs", costs, persistent=False)
        self.register_buffer("progress", torch.zeros((), dtype=torch.float64))
        # The ratio that the gates have settled on; 0 before.
        self.register_buffer("settled", torch.zeros((), dtype=torch.float64))
        self._history: list[dict[str, Any]] = []
        # In a tuple, so that torch does not take the model for a part of this module.
        self._model = (model,)
        self._open(model, recipe)

    def set_progress(self, t: float) -> None:
        """Set β and the target for the share t of the search that is done, in [0, 1]."""
        self.progress.fill_(min(max(t, 0.0), 1.0))
        if t < self.options.settle:
            self.settled.zero_()
        elif self.solved and not self.settled:
            self.settled.fill_(self.table.ratio(self._rounded()))

    @property
    def solved(self) -> bool:
        """Whether the threshold keeps the budget."""
        return self.options.budget_by == "threshold"

    @property
    def beta(self) -> float:
        """Sharpness of the gates at the present progress."""
        return schedule.sharpness(self.options, float(self.progress))

    @property
    def target(self) -> float:
        """What the relaxed ratio is kept at, or under a penalty pressed below, at the present progress."""
        if not self.solved:
            return self.budget
        floor = self.table.floor
        target = float(self.settled) or schedule.annealed_target(
            self.options, floor, self.budget, float(self.progress))
        return schedule.reachable(target, floor)

    def gates(self) -> Tensor:
        """(n,) float64 gates z in (0, 1), with gradients to `psi`."""
        psi, beta = self.psi.double(), self.beta
        if not self.solved:
            return torch.sigmoid(beta * psi)
        tau = self._threshold()
        z = torch.sigmoid(beta * (psi - tau))
        slope = beta * (self.costs * z * (1 - z)).sum().detach()
        # One Newton step from the root moves τ by nothing and gives it the gradient of the implicit function.
        # The excess is taken as zero: crisp gates make the slope as small as a rounding error.
        ratio = self._ratio(z)
        step = (ratio - ratio.detach()) / slope.clamp(min=torch.finfo(slope.dtype).tiny)
        return torch.sigmoid(beta * (psi - (tau + step)))

    def _threshold(self) -> float:
        """τ at the present target; 0 under a penalty."""
        if not self.solved:
            return 0.0
        return schedule.threshold(self.psi.detach().double().cpu().numpy(), self.costs.cpu().numpy(), self.beta,
                                  self.target - self.table.floor)

    def ratio(self) -> Tensor:
        """The relaxed ratio, floor + Σ cost · z; at crisp gates the counted ratio of the plan."""
        return self._ratio(self.gates())

    def set_gates(self) -> None:
        """Hand the gates to the units, with their graph: once before every forward pass."""
        z = self.gates().to(self.psi.dtype)
        for layer in self._layers:
            for module in layer.gated:
                module.z = z[layer.gates]

    def regularizer(self) -> Tensor:
        """λ_crisp · mean z (1 - z), and under a penalty λ_budget · max(0, r - B)²; to be added to the task's loss."""
        z = self.gates()
        terms = self.options.lambda_crisp * (z * (1 - z)).mean()
        if not self.solved:
            terms = terms + self.options.lambda_budget * (self._ratio(z) - self.budget).clamp(min=0).square()
        return terms.to(self.psi.dtype)

    @torch.no_grad()
    def crisp(self) -> bool:
        """Whether the gates have decided: the budget is met and none is further open than the options' `crisp`."""
        z = self.gates()
        if float(self.progress) < self.options.anneal or float((z * (1 - z)).max()) >= self.options.crisp:
            return False
        return float(self._ratio(z)) <= schedule.reachable(self.budget, self.table.floor) + 1e-9

    def latent_weights(self) -> list[nn.Parameter]:
        """The weights of the gated layers, each once; give them no weight decay, they may yet become bits."""
        return [layer.gated[0].full.weight for layer in self._layers]  # type: ignore[misc]

    def record(self, step: int) -> None:
        """Note the present gates for `trace`; a step already noted, and what followed it, is forgotten."""
        z = self.gates().detach()
        self._history = [entry for entry in self._history if entry["step"] < step]
        self._history.append({"step": step, "beta": self.beta, "target": self.target,
                              "ratio": float(self._ratio(z)), "gates": [round(gate, 6) for gate in
                              z.tolist()]})

    def trace(self) -> dict[str, Any]:
        """JSON-ready history: ``units`` (names) and ``steps``, each with step, beta, target, ratio and gates; and
        ``crisp_at``, the last step if the gates were crisp then, else None."""
        crisp_at = self._history[-1]["step"] if self._history and self.crisp() else None
        return {"units": list(self._names), "budget": self.budget, "crisp_at": crisp_at,
                "steps": list(self._history)}

    def resume_trace(self, trace: dict[str, Any]) -> None:
        """Take up the history that `trace` gave before a search was interrupted."""
        self._history = list(trace["steps"])

    @torch.no_grad()
    def finish(self) -> BinarizationPlan:
        """Round the gates to a plan within the budget and leave the model as that plan's mix.

        What a gate has learned is what full precision is worth there per FLOP, less what it is worth elsewhere: ψ - τ.
        The knapsack keeps the units of greatest total worth, cost · (ψ - τ), of those whose gates are open (z > 1/2);
        then whatever still fits is kept too, highest ψ first. A kept unit gets its conv or linear module
        and the BatchNorm of its full-precision branch back, the others become binary layers with theirs. A layer
        of both kinds of parts becomes a `MixedUnit`, and each channel takes its BatchNorm's values from the branch it
        ends in.
        """
        plan = make_plan(self.table, self._rounded(), self.budget, "mixbin", self.seed)
        full = set(plan.full)
        binary = torch.tensor([name not in full for name in self._names])
        model = self._model[0]
        for gated, place, gates in self._layers:
            bits = binary[gates].expand(len(gated[0].binary.weight))
            if place is not None:
                replace_module(model, place, gated[0].finished_norm(bits))
            layers = [(module.full, module.binary) for module in gated]
            for module, form in zip(gated, forms(layers, bits), strict=True):
                replace_module(model, module, form)
        return plan

    def _ratio(self, z: Tensor) -> Tensor:
        return self.table.floor + (self.costs * z).sum()

    @torch.no_grad()
    def _rounded(self) -> list[str]:
        """The units that the present gates keep."""
        psi, tau = self.psi.tolist(), self._threshold()
        values = {unit.name: unit.saving * (worth - tau) for unit, worth in zip(self.table.eligible, psi, strict=True)}
        return knapsack.choose(self.table, self.budget, values, dict(zip(self._names, psi, strict=True)))

    def _open(self, model: nn.Module, recipe: Recipe) -> None:
        """Put gated units in place of the eligible layers and move their norms into them."""
        self._layers: list[_Layer] = []
        layers = by_layer(self._names)
        for unit in named_units(model, layers):
            gates = self._gates_of(layers[unit.name])
            norm = self._norm_of(unit, model, whole=isinstance(gates, int))
            place = None if norm is None else nn.Identity()
            if norm is not None and place is not None:
                replace_module(model, norm, place)
            binary_norm = copy.deepcopy(norm)
            gated = [GatedUnit(module, norm, binary_norm, recipe) for module in unit.modules]
            for module, gate in zip(unit.modules, gated, strict=True):
                replace_module(model, module, gate)
            self._layers.append(_Layer(gated, place, gates))

    def _norm_of(self, unit: Unit, model: nn.Module, whole: bool) -> nn.Module | None:
        """The norm to move into the gated layer: of parts, only one over the layer's channels, which can be merged."""
        name = self.table.undivided.unit(unit.name).norm
        norm = None if name is None else model.get_submodule(name)
        return norm if whole or getattr(norm, "num_features", None) == unit.channels else None

    def _gates_of(self, parts: list[Part]) -> int | Tensor:
        places = [self._names.index(part.name) for part in parts]
        if parts[0].end is None:
            return places[0]
        return torch.cat([torch.full(((part.end or 0) - part.first,), place)
                          for place, part in zip(places, parts, strict=True)])
