"""The bar of a running evaluation."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from eval.metrics import frame_errors
from eval.protocols import Benchmark
from eval.runner import Done
from eval.table import read_tracks


class RunningAO:
    """Mean overlap of each tracker over the sequences finished so far."""

    def __init__(self, benchmark: Benchmark, out: Path) -> None:
        self.benchmark = benchmark
        self.out = out
        self.overlaps: dict[str, list[np.ndarray]] = defaultdict(list)

    def after(self, done: Done) -> str:
        """Take in a sequence; return the AO of its tracker so far as text, empty where there is none."""
        sequence = done.sequence
        if done.error is None and len(sequence.boxes) == len(sequence):
            tracks = read_tracks(self.out / done.spec.name, [sequence], self.benchmark.curves.origin)
            self.overlaps[done.spec.name].append(frame_errors(self.benchmark.overlap, tracks[0]).overlap)
        frames = np.concatenate(self.overlaps[done.spec.name] or [np.empty(0)])
        return f"AO {frames.mean():.3f}" if len(frames) else ""


@contextmanager
def sequence_bar(total: int, benchmark: Benchmark, out: Path) -> Iterator[Callable[[Done], None]]:
    """Show tracker, sequences done, AO so far and time left, on stderr; yields what takes each sequence."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TextColumn("{task.fields[ao]}"), TimeElapsedColumn(), TimeRemainingColumn())
    console = Console(stderr=True, quiet=not sys.stderr.isatty())
    # Transient, so that an error stays the one line it is.
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("sequences", total=total, ao="")
        running = RunningAO(benchmark, out)

        def on_done(done: Done) -> None:
            bar.update(task, advance=1, description=done.spec.name, ao=running.after(done))

        yield on_done
