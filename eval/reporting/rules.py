"""The conventions of a benchmark's rules in a reader's words; `eval.protocols` has them in full."""

from __future__ import annotations

from collections.abc import Callable

from eval.protocols import LARGEST_DISTANCE, Benchmark, Protocol
from eval.reporting.tables import Cell, Table
from eval.reporting.wording import UNKNOWN

_FIRST_FRAME = {"left out": "left out", "given": "the true box", "as predicted": "as the tracker wrote it"}
_ABSENT = {"left out": "left out", "missed": "misses", "unread": "label not read"}
_WITHOUT_AREA = {
    "any": "measured as it stands: overlap a miss", "area": "overlap a miss, distance a hit",
    "positive": "overlap a miss, distance a hit",
    "centre": "overlap a miss; distance a hit unless its centre is positive",
}
_OUTSIDE = {
    "any": "measured", "area": "measured", "positive": "as without area", "centre": "overlap a miss, distance by the "
    "centre",
}

# A line of the table -> what it says of a rule that gives curves.
_LINES: dict[str, Callable[[Protocol], str]] = {
    "follows": lambda rule: "nobody's toolkit" if rule.toolkit == "none" else rule.toolkit,
    "overlap thresholds": lambda rule: f"{rule.overlap_steps}, 0 to 1",
    "success": lambda rule: "mean of the curve" if rule.area == "mean" else "area by trapezoids",
    "precision": lambda rule: _read(rule, rule.precision_at, LARGEST_DISTANCE, "{:g} px"),
    "normalised precision": lambda rule: _read(
        rule, rule.norm_precision_at, LARGEST_DISTANCE / 100, "{:g} of the target's size"),
    "average": lambda rule: "over all frames" if rule.average == "frames" else "of sequences",
    "first frame": lambda rule: _FIRST_FRAME[rule.first_frame],
    "absent frames": lambda rule: _ABSENT[rule.absent],
    "true box without area or NaN": lambda rule: _WITHOUT_AREA[rule.valid_truth],
    "true box with x or y ≤ 0 in the files' base": lambda rule: _OUTSIDE[rule.valid_truth],
    "invalid result": lambda rule: "a miss" if rule.invalid_result == "missed" else "the row before",
    "sequence that never hits": lambda rule: "counts" if rule.unhit == "counted" else "left out of that curve",
    "numbers": lambda rule: "rounded to whole pixels" if rule.rounded else "as they are",
    "boxes confined to the frame": lambda rule: "yes" if rule.clip else "no",
    "base of the files": lambda rule: str(rule.origin),
}
# AO and SR are no curves: of these lines, they have this to say.
_OF_OVERLAP = {
    "overlap thresholds": ".5 and .75 (SR)", "success": "mean overlap (AO)", "precision": UNKNOWN,
    "normalised precision": UNKNOWN, "sequence that never hits": "counts",
}


def rules_table(benchmark: Benchmark) -> Table:
    """What the benchmark's rules do with the cases in which toolkits differ, a column a rule."""
    columns = [
        (benchmark.overlap.name, {line: _OF_OVERLAP.get(line, say(benchmark.overlap)) for line, say in _LINES.items()}),
        *((rule.name, {line: say(rule) for line, say in _LINES.items()})
          for rule in (benchmark.curves, *benchmark.others)),
    ]
    rows = tuple((Cell(line), *(Cell(says[line]) for _, says in columns)) for line in _LINES)
    return Table("The rules", (Cell("case"), *(Cell(name) for name, _ in columns)), rows, (
        "By all of them overlap is the intersection over union of the boxes, an overlap counts if > its threshold and "
        "a distance between centres if ≤ its threshold.",
    ), numbers=len(columns) + 1)


def _read(rule: Protocol, at: float | str | None, end: float, unit: str) -> str:
    """Where a curve of distances, which runs from 0 to `end`, gives its score."""
    if at is None:
        return "not measured"
    if isinstance(at, str):
        return f"area, 0 to {unit.format(end)} by {end / (rule.distance_steps - 1):g}"
    return "at " + unit.format(at)
