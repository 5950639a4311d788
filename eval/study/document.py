"""A study as a chapter of a Markdown file: what was asked, what came out, and how to do it again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datasets.files import write_text
from eval.study.compare import groups
from eval.study.figure import draw
from eval.study.plan import Study
from eval.study.rows import Row
from eval.study.tables import legend, tables


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
    drawn = draw(made, benchmarks, study.loss, plot)
    text = "\n\n".join([
        f"## {study.title}", *([" ".join(study.question.split())] if study.question else []),
        f"```sh\n{command}\n```", _conditions(rows, of), *tables(study, made, benchmarks),
        legend(study, made, benchmarks), *([f"![{study.title}](images/{plot.name})"] if drawn else []),
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
    """How much was trained, how long, and on what."""
    searching = sum(sum(row.facts["seconds"].values()) for row in rows if row.facts["method"] != "fp")
    # A base is trained once for all that start from it; variants that search the width train their own.
    bases = {row.cell.name if row.cell.variant.widths else row.facts["base"]: row.facts["full_precision_seconds"]
             for row in rows}
    threads = _range([row.facts["threads"] for row in rows])
    phases = dict.fromkeys(phase for row in rows for phase in row.facts["iterations"])
    iterations = ", ".join(
        f"{phase} " + _range([row.facts["iterations"][phase] for row in rows if phase in row.facts["iterations"]])
        for phase in phases)
    return (f"{len(rows)} of {of} trainings done: {sum(bases.values()) / 3600:.1f} h of full-precision training and "
            f"{searching / 3600:.1f} h of searching and finetuning, on {_all(rows, 'hardware')}, {threads} "
            f"thread{'s' * (threads != '1')} each, torch {_all(rows, 'torch')}. Iterations: {iterations}.")


def _range(counts: Sequence[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _all(rows: Sequence[Row], fact: str) -> str:
    return " and ".join(dict.fromkeys(row.facts[fact] for row in rows))
