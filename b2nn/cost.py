"""The one cost counter: what a forward pass costs with some units in full precision and the others in 1 bit.

A MAC in full precision is 2 FLOPs, as in `torch.utils.flop_counter`. A MAC of a binary unit counts
1 / `LANES` of that: `LANES` products are one XNOR and one popcount of a word (OPs = FLOPs + BOPs / 64,
Bi-Real Net, arXiv 1808.00278; ReActNet, arXiv 2003.03488). Everything else counts in full precision, so that
nothing is free. The sign comparison and the scale α of a binary unit are folded into the neighbouring
BatchNorm by packed kernels: they cost nothing and are no parameters here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from torch import nn

from b2nn.errors import B2nnError, PlanError
from b2nn.parts import Part, by_layer, check_parts, equal_parts
from b2nn.trace import trace
from b2nn.units import Unit, find_units

LANES = 64


@dataclass(frozen=True)
class UnitCost:
    """What one unit costs in one forward pass.

    Attributes:
        name: qualified name of the module, with the channels of a part, see `b2nn.parts`.
        kind: ``conv`` or ``linear``.
        aliases: other qualified names that share the module or its weight.
        macs: multiply-accumulates, summed over all calls of the pass.
        parameters: weight and bias elements.
        weights: weight elements, the ones that become bits.
        weight_shape: as in torch, (out, in / groups, kh, kw) or (out, in).
        eligible: whether a plan decides about this unit.
        reason: why it is not eligible; empty if it is.
        norm: qualified name of the BatchNorm that alone consumes the unit's output, and nothing else's; None
            if there is none.
        order: place in the order of first execution, from 0.
        block: output channels that no part may separate, see `Unit.block`.
        spent: what it costs in full precision and in 1 bit, in the unit of another metric than FLOPs, see
            `b2nn.metrics`; None where FLOPs are counted.
    """

    name: str
    kind: str
    aliases: tuple[str, ...]
    macs: int
    parameters: int
    weights: int
    weight_shape: tuple[int, ...]
    eligible: bool
    reason: str
    norm: str | None
    order: int
    block: int = 1
    spent: tuple[int, int] | None = None

    @property
    def flops(self) -> int:
        """FLOPs in full precision."""
        return 2 * self.macs

    @property
    def whole_cost(self) -> int:
        """What it costs in full precision, in FLOPs or the unit of the table's metric."""
        return self.flops if self.spent is None else self.spent[0]

    @property
    def saving(self) -> float:
        """How much of that 1 bit saves, exact in float64."""
        return self.flops - self.flops / LANES if self.spent is None else self.spent[0] - self.spent[1]

    def of(self, part: Part) -> UnitCost:
        """What a part of this whole unit costs. Parts that hold every channel once add up to the unit, exactly."""
        if part.end is None:
            return self
        channels, last = self.weight_shape[0], part.end

        def share(total: int) -> int:
            return total * last // channels - total * part.first // channels

        return replace(
            self, name=part.name, aliases=tuple(part._replace(layer=alias).name for alias in self.aliases),
            macs=share(self.macs), parameters=share(self.parameters), weights=share(self.weights),
            weight_shape=(share(channels), *self.weight_shape[1:]),
            spent=None if self.spent is None else (share(self.spent[0]), share(self.spent[0]) - share(
                self.spent[0] - self.spent[1])))


@dataclass(frozen=True)
class CostTable:
    """The cost of a network, unit by unit: FLOPs, or what another metric measures (`b2nn.metrics`).

    In all methods `full` is the set of eligible units kept in full precision; the other eligible ones are
    binary.
    Counted FLOPs are multiples of 1 / 32 and other costs whole numbers, so float64 holds them exactly and no order of
    summation matters.

    Attributes:
        units: every unit that ran, in execution order.
        other_flops: FLOPs of what no unit does: normalisation, activations, pooling, correlation.
        parameters: elements of all parameters of the model, run or not.
        whole: the table with every layer whole, where units are parts of layers; else None.
        metric: what `total`, `counted`, `ratio`, `floor`, `cost` and `capacity` measure: ``flops``, ``memory`` (in
            bits) or ``latency`` (in nanoseconds).
        other_cost: in that metric, what no unit is to blame for; None where it is `other_flops`.
    """

    units: tuple[UnitCost, ...]
    other_flops: int
    parameters: int
    whole: CostTable | None = None
    metric: str = "flops"
    other_cost: int | None = None

    @cached_property
    def _by_name(self) -> dict[str, UnitCost]:
        return {unit.name: unit for unit in self.units}

    @cached_property
    def eligible(self) -> tuple[UnitCost, ...]:
        """The units a plan decides about, in execution order."""
        return tuple(unit for unit in self.units if unit.eligible)

    @property
    def undivided(self) -> CostTable:
        """The table with every layer whole; this one if it is."""
        return self.whole or self

    def split(self, granularity: int) -> CostTable:
        """The table with each eligible layer in `granularity` equal parts, runs of its output channels.

        Layers of fewer channels get fewer parts, and no group of a conv is cut. A budget that whole layers cannot
        fill is filled better by parts.

        Raises:
            B2nnError: it is below 1.
        """
        if granularity < 1:
            raise B2nnError(f"granularity is {granularity!r}, but must be at least 1, which leaves layers whole")
        return self.divided([part.name for unit in self.undivided.eligible for part in equal_parts(
            unit.name, unit.weight_shape[0], unit.block, granularity)])

    def divided(self, names: Iterable[str]) -> CostTable:
        """The table with layers divided into the parts that `names` tells of, those of a plan for instance.

        Raises:
            PlanError: a layer that does not run, or parts that are missing, overlap or lie beyond the channels.
        """
        whole, parts, units = self.undivided, by_layer(names), []
        for layer in parts:
            whole.unit(layer)
        for unit in whole.units:
            own = sorted(parts.get(unit.name, [Part(unit.name)]), key=lambda part: part.first)
            check_parts(own, unit.weight_shape[0], unit.block)
            units += [unit.of(part) for part in own]
        return whole if tuple(units) == whole.units else replace(whole, units=tuple(units), whole=whole)

    def priced(self, metric: str, spent: Mapping[str, tuple[int, int]], other: int) -> CostTable:
        """The table by another metric, with every layer whole.

        Args:
            spent: by layer, its cost in full precision and, below that, in 1 bit; whole numbers.
            other: cost of everything else.
        """
        units = tuple(replace(unit, spent=spent[unit.name]) for unit in self.undivided.units)
        return replace(self.undivided, units=units, metric=metric, other_cost=other)

    @property
    def total(self) -> int:
        """Cost with everything in full precision."""
        other = self.other_flops if self.other_cost is None else self.other_cost
        return sum(unit.whole_cost for unit in self.units) + other

    @property
    def floor(self) -> float:
        """Ratio with every eligible unit binary: no budget below it can be met."""
        return self.ratio(())

    def unit(self, name: str) -> UnitCost:
        """The unit called `name`; `PlanError` if the network runs none."""
        try:
            return self._by_name[name]
        except KeyError:
            raise PlanError(f"the network runs no conv or linear layer {name!r}; it runs "
                            f"{', '.join(list(self._by_name)[:5])}, ...") from None

    def counted(self, full: Collection[str]) -> float:
        """Cost of the mix."""
        return self.total - sum(unit.saving for unit in self._binary(full))

    def ratio(self, full: Collection[str]) -> float:
        """Counted cost of the mix over that of full precision, in (0, 1]."""
        return self.counted(full) / self.total

    def cost(self, name: str) -> float:
        """What keeping the unit `name` in full precision adds to the ratio."""
        return self.unit(name).saving / self.total

    def capacity(self, budget: float) -> float:
        """How much of the savings may be given up within `budget`; negative below the floor.

        `sum(saving of full) <= capacity(budget)` holds exactly where `ratio(full) <= budget` does, rounding
        included.
        """
        base, grain = self.counted(()), 2 / LANES
        spare = math.floor((budget * self.total - base) / grain)
        while (base + (spare + 1) * grain) / self.total <= budget:
            spare += 1
        while (base + spare * grain) / self.total > budget:
            spare -= 1
        return spare * grain

    def params_1bit(self, full: Collection[str]) -> int:
        """Weights stored as bits."""
        return sum(unit.weights for unit in self._binary(full))

    def params_32bit(self, full: Collection[str]) -> int:
        """Parameters stored in full precision, biases and BatchNorm included."""
        return self.parameters - self.params_1bit(full)

    def bytes(self, full: Collection[str]) -> int:
        """Bytes of all parameters: a bit or 4 bytes each."""
        return math.ceil(self.params_1bit(full) / 8) + 4 * self.params_32bit(full)

    def _binary(self, full: Collection[str]) -> list[UnitCost]:
        kept = set(full)
        for name in kept:
            if not self.unit(name).eligible:
                raise PlanError(f"layer {name!r} is always in full precision ({self.unit(name).reason}); "
                                "leave it out of the plan")
        return [unit for unit in self.eligible if unit.name not in kept]


def profile(model: nn.Module, *inputs: Any, exclude: Mapping[str, str] | None = None,
            forward: Callable[..., Any] | None = None) -> CostTable:
    """Run the model once, in evaluation mode and without gradients, and count what it did.

    The unit that runs first sees the network's input and is never eligible. A unit that does not run costs
    nothing and is not in the table.

    Args:
        model: any module; left as it was found.
        inputs: arguments of the run.
        exclude: fnmatch patterns of qualified module names, each with the reason why these units stay in full
            precision. By default the unit that runs last, which makes the prediction; ``{}`` excludes none.
        forward: called with `inputs`; the model itself by default. Give what one frame costs, not what
            training runs.

    Raises:
        B2nnError: a pattern matches no conv or linear module, or nothing runs.
    """
    units = find_units(model)
    for pattern in exclude or ():
        if not any(fnmatchcase(name, pattern) for unit in units for name in unit.names):
            raise B2nnError(f"exclude pattern {pattern!r} matches no conv or linear layer; the model has "
                            f"{', '.join([unit.name for unit in units][:5])}, ...")
    run = trace(model, units, lambda: (forward or model)(*inputs))
    if not run.macs:
        raise B2nnError(f"{type(model).__name__} runs no conv or linear layer: there is nothing to count")
    by_name = {unit.name: unit for unit in units}
    order = list(run.macs)
    if exclude is None:
        exclude = {order[-1]: "makes the prediction"}
    costs = []
    for place, name in enumerate(order):
        unit = by_name[name]
        reason = "sees the network's input" if place == 0 else _excluded(unit, exclude) or unit.refusal
        parameters = {id(p): p.numel() for module in unit.modules for p in module.parameters(recurse=False)}
        costs.append(UnitCost(
            name=name, kind=unit.kind, aliases=unit.names[1:], macs=run.macs[name],
            parameters=sum(parameters.values()), weights=unit.weight.numel(),
            weight_shape=tuple(unit.weight.shape), eligible=not reason, reason=reason,
            norm=run.norms.get(name), order=place, block=unit.block))
    return CostTable(tuple(costs), run.other_flops, sum(p.numel() for p in model.parameters()))


def _excluded(unit: Unit, exclude: Mapping[str, str]) -> str:
    """The reason of the first pattern that matches a name of the unit."""
    return next((reason for pattern, reason in exclude.items()
                 if any(fnmatchcase(name, pattern) for name in unit.names)), "")
