"""Which units are binary and which stay in full precision: the plan, its file and its checks."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

from b2nn.cost import CostTable
from b2nn.errors import BudgetError, PlanError
from b2nn.parts import by_layer

FORMAT = "b2nn.plan/1"
METRICS = {"flops": "FLOPs", "latency": "latency", "memory": "memory"}  # each as messages call it


@dataclass(frozen=True)
class BinarizationPlan:
    """A decision for every eligible unit of one architecture.

    Attributes:
        architecture: hash of the unit names and shapes it was made for (`architecture_hash`).
        full: names of the eligible units kept in full precision, sorted; those of parts tell how the plan divides the
            layer, see `b2nn.parts`.
        binary: names of the binary units, sorted.
        budget: the ratio asked for; None if none was.
        ratio: the ratio the plan has, counted cost over full-precision cost.
        strategy: what chose it: ``mixbin``, ``random``, ``fp``, ``bnn``, ...
        seed: seed of the choice.
        trace: file with the history of the search; None if there is none.
        metric: what `ratio` measures, one of `METRICS`.
    """

    architecture: str
    full: tuple[str, ...]
    binary: tuple[str, ...]
    budget: float | None
    ratio: float
    strategy: str
    seed: int
    trace: str | None = None
    metric: str = "flops"

    @property
    def names(self) -> tuple[str, ...]:
        """All units that it decides about; `CostTable.divided` makes the table of these."""
        return *self.full, *self.binary

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; `from_dict` is its inverse."""
        return {"format": FORMAT, **asdict(self), "full": list(self.full), "binary": list(self.binary)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "plan") -> BinarizationPlan:
        """The plan in `data`; `PlanError` names `source` and what is wrong with it."""
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            found = data.get("format") if isinstance(data, Mapping) else type(data).__name__
            raise PlanError(f"{source}: format is {found!r}, not {FORMAT!r}; give a plan written by b2nn")
        for key, (types, meaning) in _KEYS.items():
            if key not in data:
                raise PlanError(f"{source}: key {key!r} is missing; give a plan written by b2nn")
            if not isinstance(data[key], types) or isinstance(data[key], bool):
                raise PlanError(f"{source}: {key!r} is {data[key]!r}, but must be {meaning}")
        for key in ("full", "binary"):
            if not all(isinstance(name, str) for name in data[key]):
                raise PlanError(f"{source}: {key!r} must hold layer names only")
        if data["metric"] not in METRICS:
            raise PlanError(f"{source}: metric {data['metric']!r} is not one of {', '.join(METRICS)}")
        names = [*data["full"], *data["binary"]]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise PlanError(f"{source}: {_layers(twice)} named more than once: {_list(twice)}")
        fields = {key: data[key] for key in _KEYS}
        return cls(**{**fields, "full": tuple(sorted(data["full"])), "binary": tuple(sorted(data["binary"]))})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan as JSON; a reader never sees half of it."""
        target = Path(path)
        partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        partial.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
        partial.replace(target)


_KEYS: dict[str, tuple[tuple[type, ...], str]] = {
    "architecture": ((str,), "a string"),
    "full": ((list, tuple), "a list of layer names"),
    "binary": ((list, tuple), "a list of layer names"),
    "budget": ((int, float, type(None)), "a number or null"),
    "metric": ((str,), "a string"),
    "ratio": ((int, float), "a number"),
    "strategy": ((str,), "a string"),
    "seed": ((int,), "an integer"),
    "trace": ((str, type(None)), "a file name or null"),
}


def load_plan(path: str | os.PathLike[str]) -> BinarizationPlan:
    """Read a plan; `PlanError` with the file's name if it cannot be read."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError(f"{path}: cannot be read ({error.strerror}); name a plan file") from error
    except ValueError as error:
        raise PlanError(f"{path}: not JSON ({error}); give a plan written by b2nn") from error
    return BinarizationPlan.from_dict(data, source=str(path))


def architecture_hash(table: CostTable) -> str:
    """Hash of the names, kinds and weight shapes of all layers; how they are divided and when they run do not enter."""
    facts = sorted((unit.name, unit.kind, list(unit.weight_shape)) for unit in table.undivided.units)
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def make_plan(table: CostTable, full: Collection[str], budget: float | None, strategy: str, seed: int,
              trace: str | None = None) -> BinarizationPlan:
    """The plan that keeps `full` in full precision.

    Raises:
        PlanError: a name that is no eligible unit.
        BudgetError: the ratio is above `budget`, or no plan can meet it.
    """
    ratio = table.ratio(full)
    if budget is not None:
        check_budget(table, budget)
        if ratio > budget:
            raise BudgetError(f"{len(set(full))} full-precision layers make a ratio of {rounded_up(ratio)}, "
                              f"above the budget {budget}; keep fewer")
    kept = set(full)
    return BinarizationPlan(
        architecture=architecture_hash(table), full=tuple(sorted(kept)),
        binary=tuple(sorted(unit.name for unit in table.eligible if unit.name not in kept)),
        budget=budget, ratio=ratio, strategy=strategy, seed=seed, trace=trace, metric=table.metric)


def all_binary(table: CostTable) -> BinarizationPlan:
    """Every eligible unit binary (strategy ``bnn``): its ratio is the floor."""
    return make_plan(table, (), None, "bnn", 0)


def all_full(table: CostTable) -> BinarizationPlan:
    """Every unit in full precision (strategy ``fp``)."""
    return make_plan(table, [unit.name for unit in table.eligible], None, "fp", 0)


def check_budget(table: CostTable, budget: float) -> None:
    """`BudgetError` unless the budget is in (0, 1] and not below the floor."""
    if not 0 < budget <= 1:
        raise BudgetError(f"budget {budget} is not in (0, 1]; it is a share of the full-precision "
                          f"{METRICS[table.metric]}")
    if budget < table.floor:
        floor = rounded_up(table.floor)
        of = "" if table.metric == "flops" else f" of {METRICS[table.metric]}"
        raise BudgetError(f"budget {budget}{of} is below the floor: with every eligible layer binary "
                          f"the ratio is {floor}; ask for at least that")


def rounded_up(ratio: float) -> str:
    """A ratio with four decimals, never less than it is: the printed number is itself a budget that can be met."""
    return str(Decimal(ratio).quantize(Decimal("0.0001"), ROUND_CEILING))


def validate(plan: BinarizationPlan, table: CostTable) -> None:
    """Check that the plan decides about exactly the eligible units of this network, however it divides them.

    Raises:
        PlanError: names the units that differ.
    """
    check_names(by_layer(plan.names), {unit.name for unit in table.undivided.units})
    table, named = table.divided(plan.names), set(plan.names)
    runs = {unit.name: unit for unit in table.units}
    fixed = sorted(name for name in named if not runs[name].eligible)
    if fixed:
        raise PlanError(f"plan names {_layers(fixed)} that must stay in full precision: "
                        + _list([f"{name} ({runs[name].reason})" for name in fixed]))
    undecided = sorted(unit.name for unit in table.eligible if unit.name not in named)
    if undecided:
        raise PlanError(f"plan does not decide about {_layers(undecided)} of the network: {_list(undecided)}")
    if plan.architecture != architecture_hash(table):
        raise PlanError(f"plan was made for a network with the same layer names but other shapes (hash "
                        f"{plan.architecture}, here {architecture_hash(table)}); make a plan for this one")


def check_names(named: Collection[str], known: Collection[str]) -> None:
    """`PlanError` that lists what a plan names and the network does not know."""
    lacking = sorted(set(named) - set(known))
    if lacking:
        raise PlanError(f"plan names {_layers(lacking)} the network lacks: {_list(lacking)}")


def _layers(names: Collection[str]) -> str:
    return f"{len(names)} layer{'s' if len(names) != 1 else ''}"


def _list(names: Collection[str], shown: int = 8) -> str:
    rest = len(names) - shown
    return ", ".join(list(names)[:shown]) + (f" and {rest} more" if rest > 0 else "")
