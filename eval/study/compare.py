"""Variants against each other: means over seeds, and differences paired over what was measured alike.

All cells see the same held-out batches and the same targets. A variant's value for a batch or a target is its mean
over seeds; a difference is taken batch by batch or target by target, and its standard error is that over these. The
spread over seeds is told beside it, since it is another thing: how much luck there is in one training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.multi_start import Difference, difference
from eval.study.rows import Row


@dataclass(frozen=True)
class Group:
    """The finished seeds of one variant at one budget."""

    variant: str
    budget: float | None
    rows: tuple[Row, ...]

    def mean(self, *keys: str) -> float:
        """Mean over seeds of a number in the rows, found by its keys; NaN where a row has none."""
        return float(np.mean([_found(row.facts, keys) for row in self.rows]))

    def batches(self, loss: str) -> dict[str, float]:
        """A held-out loss by batch, mean over seeds."""
        return _mean([{str(batch): value for batch, value in enumerate(row.facts["held_out"][loss])}
                      for row in self.rows])

    def targets(self, benchmarks: Sequence[str]) -> dict[str, float]:
        """Mean overlap from many starts by target, mean over seeds."""
        return _mean([{f"{name}/{target}": value for name in benchmarks
                       for target, value in row.facts["benchmarks"][name]["starts"].items()} for row in self.rows])

    def losses(self, loss: str) -> list[float]:
        """A held-out loss by seed."""
        return [float(np.mean(row.facts["held_out"][loss])) for row in self.rows]

    def starts(self, benchmarks: Sequence[str]) -> list[float]:
        """Mean overlap from many starts by seed."""
        alone = [Group(self.variant, self.budget, (row,)) for row in self.rows]
        return [float(np.mean(list(one.targets(benchmarks).values()))) for one in alone]


def groups(rows: Sequence[Row]) -> list[Group]:
    """Rows by variant and budget, in the order of their first rows."""
    found: dict[tuple[str, float | None], list[Row]] = {}
    for row in rows:
        found.setdefault((row.cell.variant.name, row.cell.budget), []).append(row)
    return [Group(*key, tuple(members)) for key, members in found.items()]


def loss_difference(group: Group, other: Group, loss: str) -> Difference | None:
    """Held-out loss minus another's, paired over batches."""
    return difference(group.batches(loss), other.batches(loss))


def overlap_difference(group: Group, other: Group, benchmarks: Sequence[str]) -> Difference | None:
    """Overlap from many starts minus another's, paired over targets."""
    return difference(group.targets(benchmarks), other.targets(benchmarks))


def _mean(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([one[key] for one in values])) for key in values[0]}


def _found(facts: Mapping, keys: Sequence[str]) -> float:
    for key in keys:
        facts = facts.get(key, {})  # type: ignore[assignment]
    return float("nan") if facts == {} or facts is None else float(facts)  # type: ignore[arg-type]
