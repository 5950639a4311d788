"""What a study trains: variants, each at every budget and seed, from full-precision trackers that they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mmengine.config import Config

from tracker.errors import TrackerError

STUDIES = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class Variant:
    """One way to train.

    Attributes:
        name: in tables.
        method: as `train_tracker.py --method`; ``fp`` measures the full-precision tracker itself.
        overrides: fields of the configuration, such as ``{"search.granularity": 4}``; they win over the base's and
            the study's.
        base: which of the study's full-precision trackers it starts from.
        plan_of: a variant whose plan of the same budget and seed replaces the search.
        budgets, seeds: None are the study's.
        rival: the variant that it is compared with, at the same budget; None is the study's.
        widths: of the backbone, to search along with the plan. The full-precision tracker of each is then trained by
            the variant itself, with the overrides of its base.
    """

    name: str
    method: str = "mixbin"
    overrides: dict[str, Any] = field(default_factory=dict)
    base: str = "base"
    plan_of: str | None = None
    budgets: tuple[float, ...] | None = None
    seeds: tuple[int, ...] | None = None
    rival: str | None = None
    widths: tuple[float, ...] = ()


@dataclass(frozen=True)
class Study:
    """A study file, read.

    Attributes:
        title: of its chapter.
        question: what it asks, a paragraph.
        config: preset or file that everything is trained by.
        overrides: fields of the configuration, for everything; those of bases and variants win over them.
        bases: the full-precision trackers by name, each with overrides for all that starts from it; they win over the
            study's.
        variants: see `Variant`.
        budgets, seeds: of every variant that has none of its own.
        rival: the variant that those are compared with that name none; None compares them with none.
        held_out_batches: of validation pairs for each sequence, of the batch size of `config` with `overrides`.
    """

    title: str
    variants: tuple[Variant, ...]
    question: str = ""
    config: str = "nano"
    overrides: dict[str, Any] = field(default_factory=dict)
    bases: dict[str, dict[str, Any]] = field(default_factory=lambda: {"base": {}})
    budgets: tuple[float, ...] = (0.15, 0.3, 0.5)
    seeds: tuple[int, ...] = (0,)
    rival: str | None = None
    held_out_batches: int = 2

    def variant(self, name: str) -> Variant:
        """The variant of a name."""
        return next(variant for variant in self.variants if variant.name == name)

    def budgets_of(self, variant: Variant) -> tuple[float, ...] | tuple[None]:
        """What a variant is trained at; widths of ``bnn`` compete within a budget."""
        if variant.method == "fp" or (variant.method == "bnn" and not variant.widths):
            return (None,)
        return variant.budgets or self.budgets

    def seeds_of(self, variant: Variant) -> tuple[int, ...]:
        """What a variant is trained with; full-precision trackers have one."""
        return (0,) if variant.method == "fp" else variant.seeds or self.seeds

    def rival_of(self, variant: Variant) -> str | None:
        """Name of the variant that another is compared with."""
        rival = variant.rival or self.rival
        return None if rival == variant.name else rival

    @property
    def loss(self) -> str:
        """The held-out loss to compare by: ``teacher``, or ``task`` where variants have several teachers."""
        one = len({variant.base for variant in self.variants}) == 1
        return "teacher" if one and not any(variant.widths for variant in self.variants) else "task"


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


def read_study(path: Path) -> Study:
    """The study in a file, its fields known; what they say is not checked yet.

    Raises:
        TrackerError: the file is broken, or a field is unknown or missing.
    """
    try:
        content = {name: value for name, value in Config.fromfile(path).to_dict().items() if not name.startswith("_")}
    except Exception as error:
        raise TrackerError(f"--config {path}: {error}") from error
    content["variants"] = [_made(Variant, variant, f"{path}: variants: ") for variant in content.get("variants", ())]
    return _made(Study, content, f"{path}: ")


def cells(study: Study) -> list[Cell]:
    """All trainings, in the order to do them: first one seed of everything, plans before those who take them over."""
    grid = [(round_, Cell(variant, budget, seed))
            for variant in study.variants
            for budget in study.budgets_of(variant)
            for round_, seed in enumerate(study.seeds_of(variant))]
    return [cell for _, cell in sorted(grid, key=lambda pair: (pair[0], pair[1].variant.plan_of is not None))]


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
