"""A study as a chapter of a Markdown file: what was asked, what came out, and how to do it again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datasets.files import write_text
from eval.multi_start import Difference
from eval.study.compare import Group, groups, loss_difference, overlap_difference
from eval.study.figure import draw
from eval.study.plan import Study
from eval.study.rows import Row


def write_chapter(study: Study, name: str, rows: Sequence[Row], benchmarks: Sequence[str], command: str, of: int,
                  file: Path) -> None:
    """Put the study's chapter in the place of its former one, or at the end of the file; the plot lies beside it.

    Args:
        name: of the study, in marks around the chapter and in the plot's file name.
        rows: finished cells.
        benchmarks: names of what was measured on; the first is the one to choose by.
        command: that makes it.
        of: how many cells there are.
    """
    made = groups(rows)
    plot = file.parent / "images" / f"study-{name}.png"
    drawn = draw(made, benchmarks, plot)
    text = "\n\n".join([
        f"## {study.title}", *([" ".join(study.question.split())] if study.question else []),
        f"```sh\n{command}\n```", _conditions(rows, of), *_tables(study, made, benchmarks), _legend(study, benchmarks),
        *([f"![{study.title}](images/{plot.name})"] if drawn else []),
    ])
    begin, end = f"<!-- study {name} -->", f"<!-- end of study {name} -->"
    before, after = _around(file, begin, end)
    write_text(file, f"{before}{begin}\n{text}\n{end}{after}")


def _around(file: Path, begin: str, end: str) -> tuple[str, str]:
    """What stands before and after the chapter."""
    content = file.read_text(encoding="utf-8") if file.is_file() else ""
    if begin in content and end in content:
        return content.split(begin)[0], content.split(end, 1)[1]
    return content + ("\n" if content else ""), "\n"


def _conditions(rows: Sequence[Row], of: int) -> str:
    seconds = sum(sum(row.facts["seconds"].values()) for row in rows if row.facts["method"] != "fp")
    facts = rows[0].facts
    phases = {phase: count for row in rows for phase, count in row.facts["iterations"].items()}
    return (f"{len(rows)} of {of} trainings done, {seconds / 3600:.1f} h of searching and finetuning in all, on "
            f"{facts['device']}, {facts['threads']} thread{'s' * (facts['threads'] != 1)} each, torch "
            f"{facts['torch']}. Iterations: " + ", ".join(f"{phase} {count}" for phase, count in phases.items()) + ".")


def _tables(study: Study, made: list[Group], benchmarks: Sequence[str]) -> list[str]:
    """A table a budget; what has none stands on top of each."""
    free = [group for group in made if group.budget is None]
    budgets = sorted({group.budget for group in made if group.budget is not None})
    if not budgets:
        return [_table(study, free, made, benchmarks)]
    return [f"### Budget {budget:g}\n\n" + _table(
        study, [*free, *(group for group in made if group.budget == budget)], made, benchmarks) for budget in budgets]


def _table(study: Study, shown: list[Group], made: list[Group], benchmarks: Sequence[str]) -> str:
    """A row a variant; columns that compare are left out while there is nothing to compare with."""
    base = next((group for group in made if group.rows[0].cell.variant.method == "fp"), None)
    rival = next((group for group in shown if group.variant == study.rival), None)
    table = []
    for group in shown:
        facts = group.rows[0].facts
        row = {
            "variant": group.variant, "seeds": str(len(group.rows)), "ratio": _fraction(group.mean("ratio")),
            "units full / 1 bit": f"{len(facts['full'])} / {facts['binary']}", "search passes (min)": _search(group),
            "held-out loss": _over_seeds(group.losses("task")), "to teacher": _over_seeds(group.losses("teacher")),
        }
        if rival:
            row[f"to teacher − {rival.variant}"] = _signed(loss_difference(group, rival, "teacher"), group is rival)
        for name in benchmarks:
            row |= {f"{name} {key}": _fraction(group.mean("benchmarks", name, key))
                    for key in ("ao", "success", "precision")}
            row[f"{name} many starts"] = _over_seeds(group.starts([name]))
            if base:
                row[f"{name} many starts − fp"] = _signed(overlap_difference(group, base, [name]), group is base)
        if rival:
            row[f"all many starts − {rival.variant}"] = _signed(
                overlap_difference(group, rival, benchmarks), group is rival)
        table.append(row)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (
        table[0].keys(), ["---"] * len(table[0]), *(row.values() for row in table)))


def _search(group: Group) -> str:
    if not group.rows[0].facts["search"]:
        return ""
    passes = group.mean("search", "forward_passes") + group.mean("search", "backward_passes")
    return f"{passes:,.0f} ({group.mean('search', 'seconds') / 60:.1f})"


def _legend(study: Study, benchmarks: Sequence[str]) -> str:
    return (
        "Ratio: counted FLOPs over those of full precision. Search passes: forward and backward, of one batch each. "
        f"Held-out loss: of the task, on {study.held_out_batches} batches of validation pairs, the same for all; to "
        "teacher: on these, what separates maps and features from the full-precision tracker's. AO, success and "
        f"precision: one pass over the frames. Many starts: mean overlap of short runs, mean over targets. "
        f"{benchmarks[0]} is for choosing. Values are means over seeds, ± in brackets their standard deviation over "
        "seeds; differences are paired over batches or targets, ± their standard error.")


def _fraction(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"


def _signed(found: Difference | None, itself: bool) -> str:
    if found is None or itself:
        return ""
    sign = "+" if found.mean >= 0 else "−"
    error = "" if found.stderr is None else f" ± {_fraction(found.stderr)}"
    return f"{sign}{_fraction(abs(found.mean))}{error}"


def _over_seeds(values: Sequence[float]) -> str:
    """Mean, and the standard deviation where there are several."""
    around = f" (± {_fraction(float(np.std(values, ddof=1)))})" if len(values) > 1 else ""
    return _fraction(float(np.mean(values))) + around
