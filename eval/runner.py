"""Trackers over sequences, several at a time in their own processes, resumable.

A process loads a tracker once and tracks one sequence after another. What is finished is on disk, so a run
that was stopped goes on where it was.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterable
from collections.abc import Sequence as Sequences
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets.sequence import Sequence
from eval import multi_start, results
from eval.processes import in_processes
from eval.tracking import Tracker, track
from tracker.form import files_of


@dataclass(frozen=True)
class TrackerSpec:
    """A tracker to evaluate.

    Attributes:
        name: of its result folder and its row.
        load: makes the tracker on a torch device. It is sent to other processes, so it must be a function importable
            by name, or a `functools.partial` of one.
        source: what the tracker is made from, for people: a checkpoint's path, a library's name and version.
        sha256: of that source's bytes; results of another hash are not this tracker's.
        summary: facts for the table, keys as in a run's `summary.json`; may be empty.
        device: the one that it runs on whatever the settings say; None: theirs.
    """

    name: str
    load: Callable[[str], Tracker]
    source: str
    sha256: str
    summary: dict[str, Any] = field(default_factory=dict)
    device: str | None = None


def checkpoint_spec(
    name: str, checkpoint: Path, load: Callable[[Path, str], Tracker], summary: dict[str, Any] | None = None,
    form: str = "",
) -> TrackerSpec:
    """The spec of a tracker on disk, made by `load(checkpoint, device)`.

    Args:
        form: what `load` makes of the file if it is not the usual; results of another form are not this tracker's.
    """
    content = b"".join(file.read_bytes() for file in files_of(checkpoint))
    digest = hashlib.sha256(content + form.encode()).hexdigest()
    return TrackerSpec(name, functools.partial(load, checkpoint), str(checkpoint), digest, summary or {})


@dataclass(frozen=True)
class Settings:
    """How to run.

    Attributes:
        dataset: name of the sequences, noted with the results.
        root: folder of their images, likewise; results on images of another folder are not mixed in.
        origin: base of the result files, 0 or 1.
        workers: sequences at a time, a process each.
        device: torch device.
        threads: torch threads a process.
        overwrite: discard earlier results.
        multi_start: also run from many starts.
    """

    dataset: str
    origin: int
    workers: int = 1
    device: str = "cpu"
    threads: int = 1
    overwrite: bool = False
    multi_start: multi_start.Options | None = None
    root: str = ""


@dataclass(frozen=True)
class Task:
    """One tracker over one sequence: once from the first frame, or from many starts where these are given."""

    spec: TrackerSpec
    sequence: Sequence
    starts: multi_start.Options | None = None

    @property
    def frames(self) -> int:
        """Frames that the tracker will see."""
        if self.starts is None:
            return len(self.sequence)
        return sum(len(run) for run in multi_start.runs(self.sequence, self.starts))

    def is_done(self, folder: Path, origin: int) -> bool:
        """Whether the tracker's result folder has all of it."""
        if self.starts is None:
            return results.is_done(folder, self.sequence, origin)
        return multi_start.is_done(folder, self.sequence, self.starts)


@dataclass(frozen=True)
class Done:
    """One task is through.

    Attributes:
        task: which.
        error: why it failed, None if it did not.
        kept: it was finished before, by an earlier call.
    """

    task: Task
    error: str | None = None
    kept: bool = False


def evaluate(
    trackers: Sequences[TrackerSpec],
    sequences: Sequences[Sequence],
    out: Path,
    settings: Settings,
    on_done: Callable[[Done], None] = lambda done: None,
) -> list[Done]:
    """Track every sequence with every tracker into `out/<tracker>/`, and return what failed.

    Finished sequences are kept, those of another checkpoint redone. On Ctrl-C the running sequences are
    dropped and nothing of them is left.

    Args:
        on_done: called for each task, at once for those that were finished before.

    Raises:
        DataError: `out` cannot be written, or holds results made on another dataset, device or thread count.
        TrackerError: a checkpoint cannot be loaded.
    """
    tasks = all_tasks(trackers, sequences, settings)
    return run(tasks, prepare(tasks, out, settings), out, settings, on_done)


def all_tasks(trackers: Sequences[TrackerSpec], sequences: Sequences[Sequence], settings: Settings) -> list[Task]:
    """Everything to do, in an order that does not depend on what is done."""
    ways = [None] if settings.multi_start is None else [None, settings.multi_start]
    return [Task(spec, sequence, starts) for spec in trackers for starts in ways for sequence in sequences]


def prepare(tasks: Sequences[Task], out: Path, settings: Settings) -> list[int]:
    """Make the result folders ready and return the numbers of the tasks that are not finished there.

    Raises:
        DataError, TrackerError: see `evaluate`.
    """
    for spec in {task.spec.name: task.spec for task in tasks}.values():
        # Better now than after an hour of the others.
        spec.load("cpu")
        meta = results.describe(
            spec.source, spec.sha256, settings.dataset, settings.root, settings.origin, spec.device or settings.device,
            settings.threads,
        )
        results.prepare(out / spec.name, meta, settings.overwrite)
    return [number for number, task in enumerate(tasks)
            if not task.is_done(out / task.spec.name, settings.origin)]


def run(
    tasks: Sequences[Task], missing: Iterable[int], out: Path, settings: Settings, on_done: Callable[[Done], None]
) -> list[Done]:
    """Do those of the tasks that `prepare` found missing, and return those that failed."""
    todo = set(missing)
    for number, task in enumerate(tasks):
        if number not in todo:
            on_done(Done(task, kept=True))
    # One tracker after the other, because loading takes time; long sequences first, so that none is left at the end.
    names = [task.spec.name for task in tasks]
    ordered = sorted((tasks[number] for number in todo),
                     key=lambda task: (names.index(task.spec.name), -task.frames))
    calls = [(task, out / task.spec.name, settings) for task in ordered]
    failed = []
    ended = in_processes(_perform, calls, settings.workers, functools.partial(_set_threads, settings.threads))
    with closing(ended):
        for number, error in ended:
            done = Done(ordered[number], error)
            if error is not None:
                failed.append(done)
            on_done(done)
    return failed


def default_workers(device: str) -> int:
    """A process for each core this process may use, at most 8; one on an accelerator."""
    return min(cores(), 8) if device == "cpu" else 1


def cores() -> int:
    """CPU cores that this process may use; `torchrun`'s processes on one machine share them."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(here // int(os.environ.get("LOCAL_WORLD_SIZE", 1)), 1)


def _set_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


# The tracker that this worker process loaded last, by name, hash and device.
_loaded: dict[tuple[str, str, str], Tracker] = {}


def _perform(task: Task, folder: Path, settings: Settings) -> None:
    spec, sequence = task.spec, task.sequence
    key = spec.name, spec.sha256, settings.device
    if key not in _loaded:
        _loaded.clear()
        _loaded[key] = spec.load(settings.device)
    if task.starts is None:
        answers = track(_loaded[key], sequence)
        results.require_owner(folder, spec.sha256)
        results.write_track(folder, sequence, answers.boxes, answers.times, settings.origin, answers.scores)
    else:
        runs = multi_start.track_runs(_loaded[key], sequence, task.starts)
        results.require_owner(folder, spec.sha256)
        multi_start.write_runs(folder, sequence, task.starts, runs)
