"""What a study trains: variants, each at every budget and seed, from full-precision trackers that they share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mmengine.config import Config

from b2nn.search import STRATEGIES
from tracker.errors import TrackerError

STUDIES = Path(__file__).parent / "configs"
METHODS = (*STRATEGIES, "pruned", "bnn", "fp")


@dataclass(frozen=True)
class Variant:
    """One way to train.

    Attributes:
        name: in tables.
        method: as `train_tracker.py --method`; ``fp`` measures the full-precision tracker itself.
        overrides: fields of the configuration that differ from the study's, such as ``{"search.granularity": 4}``.
        base: which of the study's full-precision trackers it starts from.
        plan_of: a variant whose plan of the same budget and seed replaces the search.
        budgets, seeds: None are the study's.
    """

    name: str
    method: str = "mixbin"
    overrides: dict[str, Any] = field(default_factory=dict)
    base: str = "base"
    plan_of: str | None = None
    budgets: tuple[float, ...] | None = None
    seeds: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Study:
    """A study file, read.

    Attributes:
        title: of its chapter.
        question: what it asks, a paragraph.
        config: preset or file that everything is trained by.
        overrides: fields of the configuration, for everything.
        bases: the full-precision trackers by name, each with its own overrides.
        variants: see `Variant`.
        budgets, seeds: of every variant that has none of its own.
        rival: the variant that others at the same budget are compared with.
        held_out_batches: of validation pairs, each of the configuration's batch size.
    """

    title: str
    variants: tuple[Variant, ...]
    question: str = ""
    config: str = "nano"
    overrides: dict[str, Any] = field(default_factory=dict)
    bases: dict[str, dict[str, Any]] = field(default_factory=lambda: {"base": {}})
    budgets: tuple[float, ...] = (0.15, 0.3, 0.5)
    seeds: tuple[int, ...] = (0,)
    rival: str = "random"
    held_out_batches: int = 16


@dataclass(frozen=True)
class Cell:
    """One training: a variant at a budget with a seed; the budget is None where the method has none."""

    variant: Variant
    budget: float | None
    seed: int

    @property
    def name(self) -> str:
        """Unique in the study, and fit for a folder."""
        budget = "" if self.budget is None else f"-{self.budget:g}"
        return f"{self.variant.name}{budget}-seed{self.seed}"


def load_study(name_or_path: str) -> Study:
    """A study by the name of its file in `eval/study/configs`, or a file of one's own.

    Raises:
        TrackerError: no such study, or a field that cannot be used, named.
    """
    path = Path(name_or_path)
    if path.suffix != ".py":
        path = STUDIES / f"{name_or_path}.py"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in STUDIES.glob("*.py")))
        raise TrackerError(f"--config {name_or_path}: no such study; choose {known} or name a .py file")
    try:
        content = {name: value for name, value in Config.fromfile(path).to_dict().items() if not name.startswith("_")}
    except Exception as error:
        raise TrackerError(f"--config {path}: {error}") from error
    content["variants"] = [_made(Variant, variant, f"{path}: variants: ") for variant in content.get("variants", ())]
    study = _made(Study, content, f"{path}: ")
    _check(study, path)
    return study


def cells(study: Study) -> list[Cell]:
    """All trainings, in the order to do them: first one seed of everything, plans before those who take them over."""
    grid = [Cell(variant, budget, seed)
            for variant in study.variants
            for budget in (_budgets(study, variant))
            for seed in (variant.seeds or study.seeds)]
    return sorted(grid, key=lambda cell: (_round(study, cell), cell.variant.plan_of is not None))


def _budgets(study: Study, variant: Variant) -> Sequence[float | None]:
    if variant.method in ("fp", "bnn"):
        return (None,)
    return variant.budgets or study.budgets


def _round(study: Study, cell: Cell) -> int:
    """0 for the first seed of a variant, and so on."""
    return list(cell.variant.seeds or study.seeds).index(cell.seed)


def _made(kind: type, content: Any, where: str) -> Any:
    """The dataclass `kind` of a section; lists become tuples."""
    known = [entry.name for entry in fields(kind)]
    if not isinstance(content, Mapping):
        raise TrackerError(f"{where}{content!r} must be a section with fields of {kind.__name__}")
    for name in content:
        if name not in known:
            raise TrackerError(f"{where}unknown field {name!r}; known are {', '.join(known)}")
    try:
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in content.items()})
    except TypeError as error:
        raise TrackerError(f"{where}{error}") from error


def _check(study: Study, path: Path) -> None:
    by_name: Mapping[str, Variant] = {variant.name: variant for variant in study.variants}
    if not study.variants:
        raise TrackerError(f"{path}: variants is empty; name at least one")
    if len(by_name) < len(study.variants):
        raise TrackerError(f"{path}: two variants have the same name")
    for variant in study.variants:
        where = f"{path}: variant {variant.name!r}"
        if variant.method not in METHODS:
            raise TrackerError(f"{where}: method {variant.method!r} is unknown; choose one of {', '.join(METHODS)}")
        if variant.base not in study.bases:
            raise TrackerError(f"{where}: base {variant.base!r} is not one of {', '.join(study.bases)}")
        if variant.plan_of is not None and variant.plan_of not in by_name:
            raise TrackerError(f"{where}: plan_of {variant.plan_of!r} is no variant")
        for budget in variant.budgets or study.budgets:
            if not (math.isfinite(budget) and 0 < budget <= 1):
                raise TrackerError(f"{where}: budget {budget} is not in (0, 1]")
