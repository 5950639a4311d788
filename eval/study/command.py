"""What `tools/study.py` does: trainings over processes, a row as each ends, the chapter after each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets.errors import DataError
from eval.processes import in_processes
from eval.study.cell import base_job, cell_job, run_cell, train_base
from eval.study.document import write_chapter
from eval.study.plan import Cell, Study, cells
from eval.study.rows import Row, read_row
from eval.study.sources import Sources
from tracker.errors import TrackerError
from tracker.training.pipeline import check


def run_study(study: Study, sources: Sources, workers: int, document: Path | None,
              command: str, only: Sequence[str] | None = None) -> int:
    """Train and measure what is missing.

    Args:
        workers: trainings at a time, a process each.
        document: Markdown file whose chapter about the study is rewritten after each training; None for none.
        command: that makes the study, for the chapter.
        only: names of the variants to train now; None is all.

    Returns:
        Exit code: 1 if a training failed; the others are done all the same.

    Raises:
        DataError, TrackerError: an unknown variant, a row or a full-precision tracker of other settings or data, or
            data that cannot be read.
    """
    names = [variant.name for variant in study.variants]
    for unknown in [variant for variant in only or () if variant not in names]:
        raise TrackerError(f"--only {unknown}: no such variant; there are {', '.join(names)}")
    grid = cells(study)
    _check(study, grid, sources)
    rows = [row for cell in grid if (row := read_row(study, cell, sources))]
    known = {row.cell.name for row in rows}
    missing = [cell for cell in grid if cell.name not in known and (only is None or cell.variant.name in only)]
    print(f"{sources.study}: {len(grid)} trainings, {len(rows)} done before")
    for row in rows:
        print(_line(row))
    bases = [base for base in _bases(missing) if not _finished(sources.base(base))]
    progress = _Progress(len(missing))
    failed = _all(train_base, [(study, base, sources) for base in bases], workers, lambda base, error: print(
        f"full-precision tracker {base}: {error or 'done'}", flush=True))

    def finish(cell: Cell, error: str | None) -> None:
        row = None if error else read_row(study, cell, sources)
        if row:
            rows.append(row)
            if document:
                _write(study, grid, rows, sources, command, document)
        print(f"{progress.step()}  {_line(row) if row else f'{cell.name}: FAILED: {error}'}", flush=True)

    usable = [cell for cell in missing if cell.variant.widths or _finished(sources.base(cell.variant.base))]
    # Plans that others take over come first.
    for wave in ([cell for cell in usable if not cell.variant.plan_of], [c for c in usable if c.variant.plan_of]):
        failed += _all(run_cell, [(study, cell, sources) for cell in wave], workers, finish)
    if document and rows:
        _write(study, grid, rows, sources, command, document)
        print(f"{document}: chapter {study.title!r}")
    return 1 if failed or len(usable) < len(missing) else 0


def _check(study: Study, grid: list[Cell], sources: Sources) -> None:
    """Refuse what cannot be trained or measured, or is there of other settings; build the caches that all read."""
    for dataset in sources.benchmarks:
        if not dataset.sequences():
            raise DataError(f"{dataset.root}: no sequences")
    bases = _bases(grid)
    for base in bases:
        check(base_job(study, base, sources))
    for variant in study.variants:
        own = [cell for cell in grid if cell.variant is variant]
        if variant.method != "fp":  # the rest of a job is checked once the full-precision tracker is there
            budgets = tuple(dict.fromkeys(cell.budget for cell in own if cell.budget is not None))
            check(replace(cell_job(study, own[0], sources), budgets=budgets, full_precision=None, plan=None))
    print(f"{sources.study}: on {', '.join([*sources.identity['data'], *sources.identity['benchmarks']])}")
    for base in bases:
        if _finished(sources.base(base)):
            train_base(study, base, sources)


def _bases(grid: list[Cell]) -> list[str]:
    """Names of the full-precision trackers that cells start from."""
    return sorted({cell.variant.base for cell in grid if not cell.variant.widths})


def _all(function: Callable[..., None], calls: list[tuple[Any, ...]], workers: int,
         finish: Callable[[Any, str | None], None]) -> int:
    """Do all calls; returns how many failed."""
    failed = 0
    with closing(in_processes(function, calls, workers)) as ended:
        for number, error in ended:
            failed += error is not None
            finish(calls[number][1], error)
    return failed


def _write(study: Study, grid: list[Cell], rows: list[Row], sources: Sources, command: str,
           document: Path) -> None:
    order = {cell.name: place for place, cell in enumerate(grid)}
    write_chapter(study, sources.study, sorted(rows, key=lambda row: order[row.cell.name]),
                  [dataset.name for dataset in sources.benchmarks], command, len(grid), document)


def _finished(run: Path) -> bool:
    return (run / "summary.json").is_file()


def _line(row: Row) -> str:
    facts = row.facts
    scores = ", ".join(f"{name} AO {found['ao']:.3f} success {found['success']:.3f}"
                       for name, found in facts["benchmarks"].items())
    losses = ", ".join(f"{name} {sum(values.values()) / len(values):.3f}" for name, values in facts["held_out"].items())
    minutes = sum(facts["seconds"].values()) / 60
    return f"{row.cell.name}: ratio {facts['ratio']:.3f}, held-out {losses}, {scores}; {minutes:.0f} min of training"


class _Progress:
    """Counts trainings and guesses the time that the others take."""

    def __init__(self, count: int) -> None:
        self._count, self._done, self._started = count, 0, time.monotonic()

    def step(self) -> str:
        self._done += 1
        left = (time.monotonic() - self._started) / self._done * (self._count - self._done)
        return f"[{self._done}/{self._count}, about {left / 60:.0f} min left]"
