"""Success of contestants, from what the `run_*.py` commands left, and the plot of it against milliseconds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.errors import DataError
from datasets.files import replacing
from eval.benchmarking.contestants import Contestant
from eval.benchmarking.rows import Row
from eval.reporting.looks import Look, assign_looks

MARKERS = {"torch": "o", "onnxruntime": "s", "packed": "^", "file": "D"}
"""By what runs a contestant, which ends its name."""


@dataclass(frozen=True)
class Scores:
    """Success on one dataset.

    Attributes:
        dataset: its name.
        by_digest: success, 0..1, by the hash that the evaluation knows a tracker by.
    """

    dataset: str
    by_digest: Mapping[str, float]

    def of(self, contestant: Contestant) -> float | None:
        """The contestant's, None if it was not evaluated; the first of its hashes that was counts."""
        return next((self.by_digest[digest] for digest in contestant.digests if digest in self.by_digest), None)


def read_scores(paths: Sequence[Path]) -> Scores:
    """The success in some `results.json`, which must be of one dataset.

    Raises:
        DataError: unreadable, no such file, or several datasets; the message names the file.
    """
    scores: dict[str, float] = {}
    datasets: dict[str, Path] = {}
    for path in paths:
        try:
            for row in json.loads(path.read_text(encoding="utf-8")):
                datasets[row["dataset"]] = path
                if row["success"] is not None:
                    scores[row["sha256"]] = row["success"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"--results {path}: not a results.json of this version; evaluate again") from error
    if len(datasets) != 1:
        found = ", ".join(f"{name} ({path})" for name, path in datasets.items()) or "nothing"
        raise DataError(f"--results: holds {found}; one plot shows the success on one dataset")
    return Scores(next(iter(datasets)), scores)


def draw(rows: Sequence[Row], contestants: Sequence[Contestant], scores: Scores, path: Path) -> list[str]:
    """Draw success over the milliseconds of an update, a panel for each number of threads.

    Args:
        rows: of these contestants in their order, for one number of threads after the other.

    Returns:
        Lines about what the plot lacks.
    """
    known = [scores.of(contestant) for contestant in contestants]
    labels = [f"{contestant.name}, {contestant.fp_precision}" for contestant in contestants]
    absent = [label for label, success in zip(labels, known, strict=True) if success is None]
    notes = [f"Not in the plot, for {scores.dataset} has no success of them: {'; '.join(absent)}."] if absent else []
    if len(absent) == len(labels):
        return [*notes, "No plot was drawn."]
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    threads = list(dict.fromkeys(row["threads"] for row in rows))
    figure = Figure(figsize=(4.5 * len(threads) + 3, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    trackers = {label: contestant.name.rpartition(", ")[0] for label, contestant in
                zip(labels, contestants, strict=True)}
    looks = assign_looks(trackers[label] for label, success in zip(labels, known, strict=True) if success is not None)
    for axes, count in zip(figure.subplots(1, len(threads), squeeze=False, sharey=True)[0], threads, strict=True):
        own = [(row, label, success) for row, label, success in
               zip((row for row in rows if row["threads"] == count), labels, known, strict=True) if success is not None]
        for name, look in looks.items():
            points = [(row, success) for row, label, success in own if trackers[label] == name]
            _points(axes, name, points, look)
        axes.set(xscale="log", xlabel="ms an update", ylabel=f"success, {scores.dataset}")
        axes.set_title(f"{count} thread{'s' * (count > 1)}", fontsize=10, loc="left")
        _label_ticks(axes)
        axes.grid(color="0.9", which="both")
        axes.set_axisbelow(True)
        axes.margins(0.25, 0.1)
        axes.spines[["top", "right"]].set_visible(False)
        _spread(figure, axes.texts)
    drawn = {contestant.name.rpartition(", ")[2] for contestant, success in zip(contestants, known, strict=True)
             if success is not None}
    _legends(figure, looks, [runtime for runtime in MARKERS if runtime in drawn])
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return notes


def _points(axes: Any, name: str, points: Sequence[tuple[Row, float]], look: Look) -> None:
    """One tracker: a marker for each runtime, with quartiles, joined by a line; its name is left of the fastest one."""
    points = sorted(points, key=lambda point: point[0]["update_ms"])
    axes.plot([row["update_ms"] for row, _ in points], [success for _, success in points], color=look.colour,
              linestyle=look.dash, lw=0.8)
    for place, (row, success) in enumerate(points):
        low, high = row["update_ms_quartiles"]
        middle = row["update_ms"]
        axes.errorbar(middle, success, xerr=[[middle - low], [high - middle]], color=look.colour, linestyle="",
                      capsize=2, marker=MARKERS.get(row["contestant"].rpartition(", ")[2], "o"), markersize=6)
        precision = "" if row["fp_precision"] == "float32" else row["fp_precision"]
        if place == 0:
            axes.annotate(" ".join([name, precision]), (middle, success), (-7, -2), textcoords="offset points",
                          fontsize=7, ha="right", color=look.colour)
        elif precision:
            axes.annotate(precision, (middle, success), (0, 6), textcoords="offset points", fontsize=7, ha="center",
                          color=look.colour)


def _spread(figure: Any, labels: Sequence[Any]) -> None:
    """Move labels that lie on each other upwards, the lowest first."""
    placed: list[Any] = []
    figure.draw_without_rendering()
    for label in sorted(labels, key=lambda label: label.get_window_extent().y0):
        while covered := [box for box in placed if box.overlaps(label.get_window_extent())]:
            x, y = label.get_position()
            lift = max(box.y1 for box in covered) - label.get_window_extent().y0
            label.set_position((x, y + (lift + 1) * 72 / figure.dpi))
        placed.append(label.get_window_extent())


def _label_ticks(axes: Any) -> None:
    """Numbers at 1, 2, 5 times the powers of ten: all that a log axis of a decade or two has room for."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _legends(figure: Any, looks: Mapping[str, Any], runtimes: Sequence[str]) -> None:
    """What colours and lines are, and what markers."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=look.colour, linestyle=look.dash, lw=2, label=name) for name, look in looks.items()]
    handles += [Line2D([], [], color="0.3", linestyle="", marker=MARKERS[name], label=name) for name in runtimes]
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=8)
