"""Success and precision plots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from datasets.files import replacing
from eval.protocols import LARGEST_DISTANCE


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a plot: its values at the thresholds, and the score for the legend, fractions in 0..1."""

    label: str
    values: np.ndarray
    score: float


def plot_success(curves: list[Curve], path: Path, title: str) -> None:
    """Draw share of frames over overlap threshold; the area under each in brackets."""
    labels = "overlap threshold", "success rate"
    _plot(curves, np.linspace(0, 1, len(curves[0].values)), path, title, labels, "upper right")


def plot_precision(curves: list[Curve], path: Path, title: str, read_at: float | None) -> None:
    """Draw share of frames over centre distance in pixels; in brackets the values at `read_at` pixels, if given."""
    labels = "centre error threshold (px)", "precision"
    _plot(curves, np.linspace(0, LARGEST_DISTANCE, len(curves[0].values)), path, title, labels, "upper left", read_at)


def _plot(
    curves: list[Curve], x: np.ndarray, path: Path, title: str, labels: tuple[str, str],
    legend: Literal["upper right", "upper left"], mark: float | None = None,
) -> None:
    # The object interface with the Agg canvas needs no display and leaves no global state.
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    colours = colormaps["tab10"].colors  # type: ignore[attr-defined]
    ranked = sorted(curves, key=lambda curve: -curve.score)
    for rank, curve in enumerate(ranked):
        style = ("-", "--", "-.", ":")[rank // len(colours) % 4]
        axes.plot(x, curve.values, style, color=colours[rank % len(colours)], linewidth=2,
                  label=f"{curve.label} [{curve.score:.3f}]")
    if mark is not None:
        axes.axvline(mark, color="0.6", linewidth=1, linestyle=":", zorder=0)
    axes.set(title=title, xlabel=labels[0], ylabel=labels[1], xlim=(x[0], x[-1]), ylim=(0, 1))
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=True, framealpha=0.9, edgecolor="0.9", fontsize=9, loc=legend)

    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
