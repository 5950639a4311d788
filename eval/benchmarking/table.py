"""The benchmark's tables, ratios first."""

from __future__ import annotations

from collections.abc import Sequence

from eval.benchmarking.rows import Row
from eval.printing import Table, number


def tables(rows: Sequence[Row]) -> list[Table]:
    """One table for each number of threads."""
    return [_table([row for row in rows if row["threads"] == threads], threads)
            for threads in dict.fromkeys(row["threads"] for row in rows)]


def _table(rows: Sequence[Row], threads: int) -> Table:
    head = ["contestant", "FP part", "budget", "network ratio", "update ratio", "network ms", "update ms", "outside ms"]
    body = [[
        row["contestant"],
        row["fp_precision"],
        number(row["budget"], ".2f"),
        *(_with_quartiles(row, f"{part}_ratio", ".3f") for part in ("network", "update")),
        *(_with_quartiles(row, f"{part}_ms", ".2f") for part in ("network", "update")),
        f"{row['update_ms'] - row['network_ms']:.2f}",
    ] for row in rows]
    title = f"{threads} thread{'s' * (threads > 1)}: time over that of {rows[0]['contestant']}, float32"
    return Table(title, head, body, names=2)


def _with_quartiles(row: Row, key: str, form: str) -> str:
    low, high = row[f"{key}_quartiles"]
    return f"{number(row[key], form)}\n{number(low, form)}-{number(high, form)}"
