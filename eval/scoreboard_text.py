"""A scoreboard on the terminal: the table, the same boxes under other rules, and what did not fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from eval.scoreboard import Row, Scoreboard, some

_HEADS = {"ao": "AO", "sr50": "SR.50", "sr75": "SR.75", "success": "success", "precision": "precision",
          "norm_precision": "norm. prec."}


def print_scoreboard(board: Scoreboard, title: str, console: Console | None = None) -> None:
    """Print a scoreboard; rows with problems are marked with a star and explained below."""
    console, rows = console or Console(), board.rows
    scored = [([row.tracker, _sequences(row)], row.as_json()) for row in rows]
    _print_lines(console, [title])
    console.print(_table(["tracker", "sequences"], scored))
    _print_lines(console, [f"Rule: {rows[0].protocol}.", *board.notes])
    others = [([row.tracker, other["protocol"]], other) for row in rows for other in row.as_json()["others"]]
    if others:
        _print_lines(console, ["", "The same boxes by other rules:"])
        console.print(_table(["tracker", "rule"], others))
    _print_lines(console, [line for row in rows for line in _complaints(row)])


def _table(names: list[str], rows: list[tuple[list[str], dict[str, Any]]]) -> Table:
    """A row for each (cells of the columns `names`, figures by key), without columns of figures that nobody has."""
    keys = [key for key in _HEADS if any(figures.get(key) is not None for _, figures in rows)]
    table = Table(box=box.SIMPLE_HEAD)
    for name in names:
        table.add_column(name, overflow="fold")
    for key in keys:
        table.add_column(_HEADS[key], justify="right", no_wrap=True)
    for cells, figures in rows:
        table.add_row(*cells, *(_figure(figures[key]) for key in keys))
    return table


def _sequences(row: Row) -> str:
    return f"{row.scored}/{row.scored + row.missing}" + ("*" if row.problems else "")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}".removeprefix("0")


def _complaints(row: Row) -> Iterator[str]:
    """A line for each kind of problem."""
    kinds: dict[str, list[str]] = {}
    for problem in row.problems:
        kinds.setdefault(problem.kind, []).append(problem.place)
    for kind, places in kinds.items():
        yield f"* {row.tracker}: {kind} ({len(places)}): {some(places)}"


def _print_lines(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
