"""Finished trainings by variant and budget: their numbers, and what separates them.

All trainings see the same held-out pairs and the same targets, so that losses and overlaps are paired over sequences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.study.interval import Interval, difference
from eval.study.plan import Variant
from eval.study.rows import Row


@dataclass(frozen=True)
class Group:
    """The finished seeds of one variant at one budget."""

    variant: Variant
    budget: float | None
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """Of the variant."""
        return self.variant.name

    def mean(self, *keys: str) -> float:
        """Mean over seeds of a number in the rows, found by its keys; NaN where a row has none."""
        return float(np.mean([_found(row.facts, keys) for row in self.rows]))

    def losses(self, loss: str) -> np.ndarray:
        """A held-out loss, (seeds, sequences)."""
        return np.array([list(row.facts["held_out"][loss].values()) for row in self.rows])

    def overlaps(self, benchmarks: Sequence[str]) -> np.ndarray:
        """Mean overlap from many starts, (seeds, targets)."""
        return np.array([[value for name in benchmarks for value in row.facts["benchmarks"][name]["starts"].values()]
                         for row in self.rows])


def groups(rows: Sequence[Row]) -> list[Group]:
    """Rows by variant and budget, in the order of their first rows."""
    found: dict[tuple[str, float | None], list[Row]] = {}
    for row in rows:
        found.setdefault((row.cell.variant.name, row.cell.budget), []).append(row)
    return [Group(members[0].cell.variant, members[0].cell.budget, tuple(members)) for members in found.values()]


def full_precision_of(group: Group, made: Sequence[Group]) -> Group | None:
    """The full-precision tracker that a group started from; None while it is not measured, and of several widths."""
    return next((other for other in made if other.variant.method == "fp"
                 and other.variant.base == group.variant.base and not group.variant.widths), None)


def loss_difference(group: Group, other: Group, loss: str) -> Interval:
    """Held-out loss minus another's."""
    return difference(group.losses(loss), other.losses(loss))


def overlap_difference(group: Group, other: Group, benchmarks: Sequence[str]) -> Interval:
    """Overlap from many starts minus another's."""
    return difference(group.overlaps(benchmarks), other.overlaps(benchmarks))


def knows_the_draws(group: Group, other: Group) -> bool:
    """Whether the luck of all trainings is in their difference; a full-precision tracker is given, not drawn."""
    return all(len(one.rows) > 1 or one.variant.method == "fp" for one in (group, other))


def _found(facts: Mapping, keys: Sequence[str]) -> float:
    for key in keys:
        facts = facts.get(key, {})  # type: ignore[assignment]
    return float("nan") if facts == {} or facts is None else float(facts)  # type: ignore[arg-type]
