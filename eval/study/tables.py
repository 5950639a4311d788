"""The tables of a study's chapter: a row a variant, a table a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from eval.study.compare import Group, full_precision_of, knows_the_draws, loss_difference, overlap_difference
from eval.study.interval import Interval
from eval.study.plan import Study

LOSSES = {"task": "held-out loss", "teacher": "to teacher"}


def tables(study: Study, made: list[Group], benchmarks: Sequence[str]) -> list[str]:
    """As Markdown, each with its heading; what has no budget stands on top of each.

    Args:
        made: all that is finished.
        benchmarks: names of what was measured on.
    """
    free = [group for group in made if group.budget is None]
    budgets = sorted({group.budget for group in made if group.budget is not None})
    if not budgets:
        return [_table(study, free, benchmarks)]
    return [f"### Budget {budget:g}\n\n" + _table(
        study, [*free, *(group for group in made if group.budget == budget)], benchmarks) for budget in budgets]


def legend(study: Study, made: list[Group], benchmarks: Sequence[str]) -> str:
    """What the columns mean."""
    sequences = made[0].losses("task").shape[1]
    targets = made[0].overlaps(benchmarks).shape[1]
    seeds = sorted({len(group.rows) for group in made})
    teacher = "" if study.loss == "task" else (
        "To teacher: on the same pairs, what separates maps and features from the full-precision tracker's. ")
    return (
        "Ratio: counted FLOPs over those of full precision. Search passes: forward and backward, of one batch each, "
        "those included that a search at another budget had done before. Search / fp training: seconds of the search "
        f"over those of full-precision training. Held-out loss: of the task, mean over {sequences} sequences, "
        f"{study.held_out_batches} batches of validation pairs of each, the same for all. {teacher}AO, success and "
        f"precision: one pass over the frames. Many starts: mean overlap of short runs, mean over {targets} targets. "
        f"{benchmarks[0]} is for choosing. Values are means over seeds, in brackets their standard deviation over "
        f"seeds. Each variant is compared with its own rival, and with the full-precision tracker (fp) that it "
        f"started from. ± is half of the 95 % interval of a difference (Student's t): of {sequences} sequences for "
        f"losses and {targets} targets for overlaps, in which the two are paired, and of the draws of up to "
        f"{seeds[-1]} seed{'s' * (seeds[-1] > 1)}, of both or of the one that has several. With an "
        "asterisk one of them or both have a single seed: the luck of that training is not in it.")


def _table(study: Study, shown: list[Group], benchmarks: Sequence[str]) -> str:
    """Columns that compare are left out while there is nothing to compare with."""
    rows = [_row(study, group, shown, benchmarks) for group in shown]
    heads = [head for head in rows[0] if head in ("variant", "ratio") or any(row[head] for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (
        heads, ["---"] * len(heads), *([row[head] for head in heads] for row in rows)))


def _row(study: Study, group: Group, shown: list[Group], benchmarks: Sequence[str]) -> dict[str, str]:
    facts = group.rows[0].facts
    base = full_precision_of(group, shown)
    base = None if base is group else base
    rival = next((other for other in shown if other.name == study.rival_of(group.variant)), None)
    row = {
        "variant": group.name, "seeds": str(len(group.rows)),
        "width": " ".join(f"{width:g}" for one in group.rows if (width := one.facts["width"])),
        "ratio": _fraction(group.mean("ratio")), "units full / 1 bit": f"{len(facts['full'])} / {facts['binary']}",
        **_search(group), LOSSES["task"]: _over_seeds(group.losses("task")),
    }
    if study.loss == "teacher":
        row[LOSSES["teacher"]] = _over_seeds(group.losses("teacher"))
    row["rival"] = rival.name if rival else ""
    row[f"{LOSSES[study.loss]} − rival"] = _difference(
        group, rival, partial(loss_difference, loss=study.loss))
    for name in benchmarks:
        row |= {f"{name} {key}": _fraction(group.mean("benchmarks", name, key))
                for key in ("ao", "success", "precision")}
        row[f"{name} many starts"] = _over_seeds(group.overlaps([name]))
        row[f"{name} many starts − fp"] = _difference(group, base, partial(overlap_difference, benchmarks=[name]))
    row["all many starts − rival"] = _difference(group, rival, partial(overlap_difference, benchmarks=benchmarks))
    return row


def _search(group: Group) -> dict[str, str]:
    passes, share = "search passes (min)", "search / fp training"
    if not group.rows[0].facts["search"]:
        return {passes: "", share: ""}
    seconds = group.mean("search", "seconds")
    count = group.mean("search", "forward_passes") + group.mean("search", "backward_passes")
    return {passes: f"{count:,.0f} ({seconds / 60:.1f})",
            share: _fraction(seconds / group.mean("full_precision_seconds"))}


def _fraction(value: float) -> str:
    """A number with three digits after the point, none before it where that is 0."""
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"


def _difference(group: Group, other: Group | None, between: Callable[[Group, Group], Interval]) -> str:
    if other is None:
        return ""
    found = between(group, other)
    margin = "" if found.margin is None else f" ± {_fraction(found.margin)}" + "*" * (not knows_the_draws(group, other))
    return f"{'+' if found.mean >= 0 else '−'}{_fraction(abs(found.mean))}{margin}"


def _over_seeds(values: np.ndarray) -> str:
    """Mean of (seeds, sequences), and the standard deviation where there are several seeds."""
    means = values.mean(axis=1)
    around = f" (± {_fraction(float(means.std(ddof=1)))})" if len(means) > 1 else ""
    return _fraction(float(means.mean())) + around
