"""The tables that rows of `results.json` are shown as: whole ones for `table.md`, narrow ones for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

Row = dict[str, Any]

_HEADS = {"ao": "AO", "sr50": "SR .5", "sr75": "SR .75", "success": "success", "precision": "precision",
          "norm_precision": "norm. prec."}
_LESS_IMPORTANT = ("kB", "SR .75", "SR .5", "GFLOPs")
"""Columns that a narrow terminal goes without, in this order; `table.md` has them all."""
_NAME = 16
"""Characters of a name on a line, where there is no room for more."""


@dataclass(frozen=True)
class Table:
    """Cells as text. The first `names` columns are words, the others numbers."""

    title: str
    head: list[str]
    body: list[list[str]]
    names: int = 1

    def markdown(self) -> str:
        """As a Markdown table under its title."""
        rule = ["---" if index < self.names else "---:" for index in range(len(self.head))]
        lines = ["| " + " | ".join(cells) + " |" for cells in (self.head, rule, *self.body)]
        return "\n".join([f"## {self.title}", "", *lines] if self.title else lines)

    def without(self, heads: Sequence[str]) -> Table:
        """The table without the columns of these heads."""
        kept = [index for index, head in enumerate(self.head) if head not in heads]
        return replace(self, head=[self.head[index] for index in kept],
                       body=[[cells[index] for index in kept] for cells in self.body])


def whole_table(rows: Sequence[Row]) -> Table:
    """Every fact and score, each score with the full-precision tracker's beside it in brackets."""
    head = ["tracker", "method", "budget", "FLOPs ratio", "GFLOPs", "1-bit params", "32-bit params", "bytes",
            *_score_heads(rows), "fps", "device, threads, form"]
    body = [[
        str(row["tracker"]),
        row["method"] or "-",
        number(row["budget"], ".2f"),
        number(row["flops_ratio"], ".3f"),
        _scaled(row["counted_flops"], 1e9, ".3f"),
        *(number(row[key], ",d") for key in ("params_1bit", "params_32bit", "bytes")),
        *_scores(row, rows, " "),
        ", ".join(str(fact) for fact in (row["device"], row["threads"], row.get("form")) if fact),
    ] for row in rows]
    return Table("", head, body, names=2)


def narrow_table(rows: Sequence[Row], title: str) -> Table:
    """What a terminal has room for: the rival's figures stand below, and sizes are one column."""
    head = ["tracker", *_score_heads(rows), "fps", "GFLOPs", "kB"]
    body = [[
        str(row["tracker"]),
        *_scores(row, rows, "\n"),
        _scaled(row["counted_flops"], 1e9, ".3f"),
        _scaled(row["bytes"], 1e3, ",.0f"),
    ] for row in rows]
    return Table(title, head, body)


def other_rules(rows: Sequence[Row]) -> list[Table]:
    """The same boxes by other toolkits' rules, a table a rule."""
    tables = []
    for rule in dict.fromkeys(other["protocol"] for row in rows for other in row["others"]):
        scores = [(row["tracker"], other) for row in rows for other in row["others"] if other["protocol"] == rule]
        keys = ["success", "precision"]
        if any(other["norm_precision"] is not None for _, other in scores):
            keys.append("norm_precision")
        body = [[name, *(number(other[key], ".3f") for key in keys)] for name, other in scores]
        tables.append(Table(f"The same boxes by the {rule}", ["tracker", *(_HEADS[key] for key in keys)], body))
    return tables


def several_starts(rows: Sequence[Row]) -> list[Table]:
    """Scores from many starts, and the differences with their standard errors; empty where nobody has any."""
    shown = [row for row in rows if row["multi_start_targets"] is not None]
    body = [[
        str(row["tracker"]),
        row["multi_start_reference"] or "-",
        _signed(row["multi_start_difference"]),
        number(row["multi_start_stderr"], ".3f"),
        number(row["multi_start_ao"], ".3f"),
        number(row["multi_start_targets"], "d"),
        number(row["multi_start_runs"], "d"),
    ] for row in shown]
    head = ["tracker", "compared with", "difference", "standard error", "AO", "targets", "runs"]
    return [Table("Many starts: mean over targets", head, body, names=2)] if shown else []


def beliefs(rows: Sequence[Row]) -> list[Table]:
    """How far the scores tell right from wrong, and what is found again; empty where no tracker gives a score."""
    shown = [row for row in rows if row.get("reappearances") is not None]
    head = ["tracker", "ROC area of score", "reappeared", "found in 30 frames"]
    body = [[str(row["tracker"]), number(row["score_auc"], ".3f"), number(row["reappearances"], "d"),
             number(row["found_again"], "d")] for row in shown]
    return [Table("Score against being right (visible, IoU > .5)", head, body)] if shown else []


def print_report(rows: Sequence[Row], title: str, notes: Sequence[str]) -> None:
    """Print the tables and the notes on stdout."""
    whole = narrow_table(rows, title)
    shown = _fitting(whole)
    absent = [head for head in whole.head if head not in shown.head]
    more = [f"No room for {', '.join(absent)} in this terminal: see table.md."] if absent else []
    print_tables([shown, *other_rules(rows), *several_starts(rows), *beliefs(rows)], [*notes, *more])


def print_tables(tables: Sequence[Table], notes: Sequence[str]) -> None:
    """Print tables, and notes below them, on stdout."""
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for table in tables:
        shown = _shown(table)
        if _width(shown) > console.width:
            shown = _shown(table, _NAME)
        # Rather let a narrow terminal wrap than cut figures off.
        console.width = max(console.width, _width(shown))
        # Above it, not as its title: that would be wrapped to the table's width.
        console.print(Text(f"\n{table.title}"))
        console.print(shown)
    for note in notes:
        # Paths stay whole, so that they can be copied.
        print(textwrap.fill(note, console.width, break_long_words=False, break_on_hyphens=False))


def _fitting(table: Table) -> Table:
    """The table without as many of the less important columns as a terminal of this width has no room for."""
    from rich.console import Console

    console = Console()
    for count in range(len(_LESS_IMPORTANT) + 1):
        fitting = table.without(_LESS_IMPORTANT[:count])
        if _width(_shown(fitting, _NAME)) <= console.width:
            break
    return fitting


def _width(shown: Any) -> int:
    """Characters that a table needs; a console never says more than it has itself."""
    from rich.console import Console

    return Console(width=1000).measure(shown).maximum


def full_precision(row: Row, rows: Sequence[Row]) -> Row | None:
    """The row of the full-precision tracker from the same folder of runs and in the same form as `row`, if any.

    Checkpoints lie in FOLDER/RUN/; names do not tell, for runs of several folders may be called `fp`.
    """
    if row["method"] in ("fp", "peer"):
        return None
    folder = _folder_of_runs(row)
    return next((other for other in rows if other["method"] == "fp" and _folder_of_runs(other) == folder
                 and other.get("form") == row.get("form")), None)


def _shown(table: Table, fold: int | None = None) -> Any:
    """As rich shows it; words longer than `fold` go on below."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
    for index, name in enumerate(table.head):
        shown.add_column(name.replace(" ", "\n"), justify="left" if index < table.names else "right", no_wrap=True)
    for cells in table.body:
        words = [textwrap.fill(cell, fold) if fold else cell for cell in cells[:table.names]]
        shown.add_row(*map(Text, [*words, *cells[table.names:]]))
    return shown


def _score_columns(rows: Sequence[Row]) -> list[tuple[str, str]]:
    known = any(row["norm_precision"] is not None for row in rows)
    return [(head, key) for key, head in _HEADS.items() if key != "norm_precision" or known]


def _score_heads(rows: Sequence[Row]) -> list[str]:
    return [name for name, _ in _score_columns(rows)]


def _scores(row: Row, rows: Sequence[Row], gap: str) -> list[str]:
    """The scores and fps of a row, with the full-precision tracker's in brackets after `gap`."""
    rival = full_precision(row, rows)

    def beside(key: str, form: str) -> str:
        own = number(row[key], form)
        return own if rival is None else f"{own}{gap}({number(rival[key], form)})"

    return [*(beside(key, ".3f") for _, key in _score_columns(rows)), beside("fps", ".1f")]


def _folder_of_runs(row: Row) -> Path:
    return Path(row["checkpoint"]).resolve().parent.parent


def _scaled(value: float | None, unit: float, form: str) -> str:
    return number(None if value is None else value / unit, form)


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}".replace("0.", ".", 1)


def number(value: float | None, form: str) -> str:
    """A figure as tables show it: fractions without the leading zero, "-" where there is none."""
    if value is None:
        return "-"
    text = format(value, form)
    return text[1:] if text.startswith("0.") and form == ".3f" else text
