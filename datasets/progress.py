"""How long work reports on itself: a callback, and a terminal display for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

# Called with a label, the number of steps done and the number of all steps.
Progress = Callable[[str, int, int], None]


def silent(label: str, done: int, total: int) -> None:
    """Report nothing."""


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Show one bar with counts and remaining time for each label; on stderr: stdout is for results."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Display

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    display = Display(*columns, console=Console(stderr=True))
    tasks: dict[str, TaskID] = {}

    def report(label: str, done: int, total: int) -> None:
        if not tasks:  # not before there is something to show: an early error is to stand alone
            display.start()
        if label not in tasks:
            tasks[label] = display.add_task(label, total=total)
        display.update(tasks[label], completed=done, total=total)

    try:
        yield report
    finally:
        if tasks:
            display.stop()
