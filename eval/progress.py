"""How far an evaluation is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from eval.metrics import frame_errors
from eval.protocols import Benchmark
from eval.runner import Done, Task
from eval.table import read_tracks

LINE_EVERY = 10.0
"""Seconds between lines in a pipe."""


class RunningAO:
    """Mean overlap of each tracker over the sequences finished so far."""

    def __init__(self, benchmark: Benchmark, out: Path) -> None:
        self.benchmark = benchmark
        self.out = out
        self.sums: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))

    def after(self, done: Done) -> str:
        """Take in a sequence; return the AO of its tracker so far as text, empty where there is none."""
        name, sequence = done.task.spec.name, done.task.sequence
        if done.task.starts is not None:
            return ""
        if done.error is None and len(sequence.boxes) == len(sequence):
            tracks = read_tracks(self.out / name, [sequence], self.benchmark.curves.origin)
            overlap = frame_errors(self.benchmark.overlap, tracks[0]).overlap
            self.sums[name] += np.maximum(overlap, 0).sum(), len(overlap)
        total, frames = self.sums[name]
        return f"AO {total / frames:.3f}".replace("0.", ".") if frames else ""


class TimeLeft:
    """Time that the frames left will take, by what those tracked so far took."""

    def __init__(self, tasks: Sequence[Task], clock: Callable[[], float] = time.monotonic) -> None:
        self.left = sum(task.frames for task in tasks)
        self.tracked = 0
        self.clock = clock
        self.start = clock()

    def after(self, done: Done) -> str:
        """Take in a task; return what is left as text, empty where nothing is known yet."""
        self.left -= done.task.frames
        if done.kept:
            self.start = self.clock()
            return ""
        self.tracked += done.task.frames
        seconds = (self.clock() - self.start) * self.left / max(self.tracked, 1)
        return "" if self.left <= 0 else f"about {_duration(seconds)} left"


@contextmanager
def sequence_bar(
    tasks: Sequence[Task], benchmark: Benchmark, out: Path, dataset: str
) -> Iterator[Callable[[Done], None]]:
    """Show sequences done, tracker, AO so far and time left on stderr; yields what takes each task that is through.

    On a terminal it is a bar; elsewhere a line, at most one in `LINE_EVERY` seconds and one after the last.
    """
    running, left = RunningAO(benchmark, out), TimeLeft(tasks)

    def said(done: Done) -> str:
        way = "" if done.task.starts is None else "multi-start"
        facts = " ".join(filter(None, (dataset, done.task.spec.name, way, running.after(done))))
        return ", ".join(filter(None, (facts, left.after(done))))

    if not sys.stderr.isatty():
        yield _lines(len(tasks), said)
        return
    # Transient, so that an error stays the one line it is.
    with Progress(BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), console=Console(stderr=True),
                  transient=True) as bar:
        shown = bar.add_task(dataset, total=len(tasks))
        yield lambda done: bar.update(shown, advance=1, description=said(done))


def _lines(total: int, said: Callable[[Done], str]) -> Callable[[Done], None]:
    count, due = 0, time.monotonic() + LINE_EVERY

    def on_done(done: Done) -> None:
        nonlocal count, due
        count += 1
        text = f"{count}/{total} {said(done)}"
        if time.monotonic() >= due or count == total:
            print(text, file=sys.stderr, flush=True)
            due = time.monotonic() + LINE_EVERY

    return on_done


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{round(seconds / 60)} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
