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
from eval.reporting.looks import assign_looks


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
    looks = assign_looks(label for label, success in zip(labels, known, strict=True) if success is not None)
    for axes, count in zip(figure.subplots(1, len(threads), squeeze=False)[0], threads, strict=True):
        own = [row for row in rows if row["threads"] == count]
        for row, label, success in zip(own, labels, known, strict=True):
            if success is not None:
                _point(axes, row, success, looks[label], label)
        axes.set(xscale="log", xlabel="ms an update", ylabel=f"success, {scores.dataset}")
        axes.set_title(f"{count} thread{'s' * (count > 1)}", fontsize=10, loc="left")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}")
        axes.tick_params(which="minor", labelsize=7)
        axes.grid(color="0.9", which="both")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return notes


def _point(axes: Any, row: Row, success: float, look: Any, label: str) -> None:
    low, high = row["update_ms_quartiles"]
    middle = row["update_ms"]
    axes.errorbar(middle, success, xerr=[[middle - low], [high - middle]], marker=look.marker, color=look.colour,
                  linestyle="", capsize=2, label=label)
