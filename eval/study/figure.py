"""A study at a glance: loss and overlap of its variants, over the budget where there are several budgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datasets.files import replacing
from eval.reporting.looks import Look, assign_looks
from eval.study.compare import Group

# By the name of the loss.
TITLES = {"teacher": "held-out loss to the full-precision tracker", "task": "held-out loss"}


def draw(made: Sequence[Group], benchmarks: Sequence[str], loss: str, path: Path) -> bool:
    """Draw the finished variants; bars are the range over seeds. Nothing is drawn of fewer than two.

    Args:
        loss: the held-out loss to show.

    Returns:
        Whether there is a picture.
    """
    if len(made) < 2:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels: list[tuple[str, Callable[[Group], np.ndarray]]] = [
        (TITLES[loss], lambda group: group.losses(loss).mean(axis=1)),
        ("mean overlap from many starts", lambda group: group.overlaps(benchmarks).mean(axis=1)),
    ]
    budgets = len({group.budget for group in made if group.budget is not None}) > 1
    names = list(dict.fromkeys(group.name for group in made))
    figure = Figure(figsize=(11, 4.5 if budgets else 1.5 + 0.3 * len(made)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    looks = assign_looks(names)
    for axes, (title, values) in zip(figure.subplots(1, 2), panels, strict=True):
        (_over_budget if budgets else _side_by_side)(axes, made, values, looks)
        axes.set_title(title, fontsize=10, loc="left")
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    if budgets:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return True


def _over_budget(axes: Any, made: Sequence[Group], values: Callable[[Group], np.ndarray],
                 looks: dict[str, Look]) -> None:
    for name, look in looks.items():
        own = sorted((group for group in made if group.name == name), key=lambda group: group.budget or 0)
        style = {"color": look.colour, "linestyle": look.dash, "label": name}
        if own[0].budget is None:  # has one place on the axis, and is a level for the others
            axes.axhline(np.mean(values(own[0])), linewidth=1.5, **style)
            continue
        seen = [values(group) for group in own]
        means = np.array([np.mean(one) for one in seen])
        reach = np.abs(np.array([[min(one), max(one)] for one in seen]).T - means)
        axes.errorbar([group.budget for group in own], means, reach, marker=look.marker, markersize=5, capsize=2,
                      **style)
    axes.set_xlabel("budget, share of the full-precision FLOPs")


def _side_by_side(axes: Any, made: Sequence[Group], values: Callable[[Group], np.ndarray],
                  looks: dict[str, Look]) -> None:
    for place, group in enumerate(made):
        look = looks[group.name]
        seen = values(group)
        axes.plot(seen, [place] * len(seen), marker=look.marker, color=look.colour, linestyle="")
    axes.set_yticks(range(len(made)), [group.name for group in made])
    axes.invert_yaxis()
