"""The figures of the page: inline SVG that reads on light and dark ground, text and axes in the page's own colour."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.reporting.looks import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Written by matplotlib, replaced by `currentColor` afterwards: it knows no such colour.
_INK = "#010203"
_GRID = "#80808055"
_STYLE: dict[Any, Any] = {
    # Text stays text: it takes the page's font, can be searched and is small.
    "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9, "text.color": _INK, "axes.labelcolor": _INK,
    "axes.edgecolor": _INK, "axes.facecolor": "none", "xtick.color": _INK, "ytick.color": _INK, "grid.color": _GRID,
    "axes.grid": True, "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False,
    "figure.facecolor": "none", "axes.linewidth": 0.7, "grid.linewidth": 0.6, "hatch.linewidth": 0.7,
}


@dataclass(frozen=True)
class Figure:
    """A drawing for the page: SVG source, what it shows in words, and the line below it."""

    svg: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Point:
    """A tracker in a plane: cost or speed, score, and the score's spread over seeds (NaN for one)."""

    label: str
    x: float
    y: float
    spread: float


def draw_curves(
    name: str, curves: Mapping[str, np.ndarray], looks: Mapping[str, Look], ends: float, xlabel: str, ylabel: str,
    mark: float | None, caption: str,
) -> Figure:
    """Share of frames over a threshold, a line a tracker.

    Args:
        name: unique among the figures of a page.
        curves: label -> (K,) values in 0..1 at thresholds evenly spaced over 0..`ends`.
        mark: threshold at which the score is read, None for a score that is an area.
    """
    with _axes(4.6, 3.3) as (axes, svg):
        for label, values in curves.items():
            look = looks[label]
            axes.plot(np.linspace(0, ends, len(values)), values, color=look.colour, linestyle=look.dash, linewidth=1.8)
        if mark is not None:
            axes.axvline(mark, color=_INK, linewidth=0.7, linestyle=":")
        axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, ends), ylim=(0, 1))
    alt = f"{ylabel} over {xlabel} of {', '.join(curves)}"
    return Figure(svg(name, alt), alt, caption)


def draw_trade_off(
    name: str, points: Sequence[Point], looks: Mapping[str, Look], xlabel: str, ylabel: str, cheap_is_good: bool,
    caption: str,
) -> Figure:
    """Score against cost or speed, with the Pareto front: the trackers that none beats in both, joined by a line."""
    from matplotlib.ticker import LogLocator, NullFormatter

    front = pareto(points, cheap_is_good)
    with _axes(4.6, 3.3) as (axes, svg):
        if len(front) > 1:
            axes.plot([point.x for point in front], [point.y for point in front], color=_INK, linewidth=1,
                      linestyle="--", zorder=1)
        for point in points:
            look = looks[point.label]
            error = None if np.isnan(point.spread) else point.spread
            axes.errorbar(point.x, point.y, error, color=look.colour, marker=look.marker, markersize=8, capsize=3)
        x = np.array([point.x for point in points])
        if x.max() > 20 * x.min() > 0:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_xlim(0, 1.08 * x.max())
        axes.margins(y=0.15)
        axes.set(xlabel=xlabel, ylabel=ylabel)
    alt = f"{ylabel} against {xlabel}"
    joined = " (dashed line)" if len(front) > 1 else ""
    members = f"On the Pareto front{joined}: {', '.join(point.label for point in front)}."
    return Figure(svg(name, f"{alt}. {members}"), f"{alt}. {members}", f"{caption} {members}")


def pareto(points: Sequence[Point], cheap_is_good: bool) -> list[Point]:
    """The points that no other one beats in both score and cost (or speed), from cheap (or fast) on."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x if cheap_is_good else -point.x, -point.y)):
        if not front or point.y > front[-1].y:
            front.append(point)
    return front


def draw_bars(
    name: str, rows: Mapping[str, Mapping[str, float]], looks: Mapping[str, Look], xlabel: str, caption: str
) -> Figure:
    """A block of bars a row (an attribute), one bar a tracker; rows and bars from top to bottom.

    Trackers of one colour are told apart by hatching.
    """
    labels = list(dict.fromkeys(label for values in rows.values() for label in values))
    step = 0.8 / len(labels)
    with _axes(4.6, 0.7 + len(rows) * (0.12 + 0.09 * len(labels))) as (axes, svg):
        for index, label in enumerate(labels):
            values = [rows[row].get(label, np.nan) for row in rows]
            look = looks[label]
            axes.barh(np.arange(len(rows)) - 0.4 + (index + 0.5) * step, values, 0.9 * step, edgecolor=look.colour,
                      facecolor="none" if look.hatch else look.colour, hatch=look.hatch, linewidth=0.7)
        _rows(axes, list(rows), xlabel)
    alt = f"{xlabel} of {', '.join(labels)} for each of {', '.join(rows)}"
    return Figure(svg(name, alt), alt, caption)


def draw_dots(
    name: str, rows: Mapping[str, Mapping[str, float]], looks: Mapping[str, Look], xlabel: str, caption: str
) -> Figure:
    """A bar a row (a sequence) from its worst tracker to its best, with a dot a tracker: many rows stay readable."""
    with _axes(4.6, 0.7 + 0.24 * len(rows)) as (axes, svg):
        for index, values in enumerate(rows.values()):
            known = [value for value in values.values() if not np.isnan(value)]
            if known:
                axes.barh(index, max(known) - min(known), 0.5, left=min(known), color=_GRID)
            for label, value in values.items():
                look = looks[label]
                axes.plot(value, index, color=look.colour, marker=look.marker, markersize=5.5, linestyle="none")
        _rows(axes, list(rows), xlabel)
    alt = f"{xlabel} on each of {len(rows)} sequences, a dot a tracker"
    return Figure(svg(name, alt), alt, caption)


def _rows(axes: Axes, names: list[str], xlabel: str) -> None:
    axes.set_yticks(range(len(names)), [_plain(name) for name in names])
    axes.set(xlabel=xlabel, xlim=(0, 1), ylim=(len(names) - 0.4, -0.6))
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")


def _plain(name: str) -> str:
    """Names are no formulas: matplotlib would typeset what stands between dollar signs."""
    return name.replace("$", r"\$")


@contextmanager
def _axes(width: float, height: float) -> Iterator[tuple[Axes, Any]]:
    """Axes of so many inches, and a function (name, alt) -> SVG to call when they are drawn."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    with rc_context(_STYLE):
        canvas = Canvas(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(canvas)

        def svg(name: str, alt: str) -> str:
            # The hash makes the ids the same in every run, the name makes them unique on the page.
            with rc_context({**_STYLE, "svg.hashsalt": name}):
                buffer = io.StringIO()
                nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
                canvas.savefig(buffer, format="svg", metadata=nothing)
            return _inline(buffer.getvalue(), name, alt)

        yield canvas.add_subplot(), svg


def _inline(source: str, name: str, alt: str) -> str:
    """A matplotlib SVG as an element of a page."""
    from markupsafe import escape

    svg = source[source.index("<svg"):].replace(_INK, "currentColor")
    svg = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\1{name}-", svg)
    # Without a family of its own, text takes the page's.
    svg = re.sub(r"font-family: [^;]*; ?", "", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1).strip()
