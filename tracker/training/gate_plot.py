"""MixBin's gates over the search, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from datasets.files import replacing


def plot_gates(trace: Mapping[str, Any], full: tuple[str, ...], path: Path) -> None:
    """Draw every gate over the steps, a row a unit, as PNG.

    Args:
        trace: as `Relaxation.trace` gives it, with at least one step.
        full: units that the plan keeps in full precision; their names are bold and marked.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    units, steps = trace["units"], [entry["step"] for entry in trace["steps"]]
    gates = np.array([entry["gates"] for entry in trace["steps"]]).T  # (units, steps)
    height = 0.24 * len(units)
    figure = Figure(figsize=(9, height + 2.4), layout="constrained")
    FigureCanvasAgg(figure)
    rows, curve = figure.subplots(2, 1, sharex=True, height_ratios=(max(height, 0.5), 1.0))
    # A column reaches from its own step to the next that was noted.
    edges = np.array([*steps, steps[-1] + (steps[-1] - steps[-2] if len(steps) > 1 else 1)]) - 0.5
    mesh = rows.pcolormesh(edges, np.arange(len(units) + 1), gates, vmin=0, vmax=1, cmap="viridis")
    rows.invert_yaxis()
    rows.set_yticks(np.arange(len(units)) + 0.5, [f"{name} ●" if name in full else name for name in units], fontsize=8)
    for label, name in zip(rows.get_yticklabels(), units, strict=True):
        label.set_fontweight("bold" if name in full else "normal")
    rows.set_title("gates: 1 is full precision, 0 binary; ● in full precision in the end", fontsize=10)
    figure.colorbar(mesh, ax=rows, label="gate z")
    curve.plot(steps, [entry["ratio"] for entry in trace["steps"]], label="relaxed ratio")
    curve.axhline(trace["budget"], color="grey", linestyle="--", label=f"budget {trace['budget']:g}")
    curve.set(xlabel="step", ylabel="ratio")
    curve.legend(fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
