"""Trackers over sequences, several at a time in their own processes, resumable.

A process loads a tracker once and tracks one sequence after another. What is finished is on disk, so a run
that was stopped goes on where it was.
"""

from __future__ import annotations

import functools
import hashlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets.sequence import Sequence
from eval import results
from eval.tracking import Tracker, track


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
    """

    name: str
    load: Callable[[str], Tracker]
    source: str
    sha256: str
    summary: dict[str, Any] = field(default_factory=dict)


def checkpoint_spec(
    name: str, checkpoint: Path, load: Callable[[Path, str], Tracker], summary: dict[str, Any] | None = None
) -> TrackerSpec:
    """The spec of a tracker that is one file on disk, made by `load(checkpoint, device)`."""
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    return TrackerSpec(name, functools.partial(load, checkpoint), str(checkpoint), digest, summary or {})


@dataclass(frozen=True)
class Settings:
    """How to run.

    Attributes:
        dataset: name of the sequences, noted with the results.
        origin: base of the result files, 0 or 1.
        workers: sequences at a time, a process each.
        device: torch device.
        threads: torch threads a process.
        overwrite: discard earlier results.
    """

    dataset: str
    origin: int
    workers: int = 1
    device: str = "cpu"
    threads: int = 1
    overwrite: bool = False


@dataclass(frozen=True)
class Done:
    """One sequence is through: `error` says why it failed, None if it did not."""

    spec: TrackerSpec
    sequence: Sequence
    error: str | None


def evaluate(
    trackers: list[TrackerSpec],
    sequences: list[Sequence],
    out: Path,
    settings: Settings,
    on_done: Callable[[Done], None] = lambda done: None,
) -> list[Done]:
    """Track every sequence with every tracker into `out/<tracker>/`, and return those that failed.

    Finished sequences are kept, those of another checkpoint redone. On Ctrl-C the running sequences are
    dropped and nothing of them is left.

    Args:
        on_done: called for each sequence, at once for those that were finished before.

    Raises:
        DataError: `out` holds results made on another dataset, device or thread count.
        TrackerError: a checkpoint cannot be loaded.
    """
    for spec in trackers:
        # Better now than after an hour of the others.
        spec.load("cpu")
        results.prepare(out / spec.name, _meta(spec, settings), settings.overwrite)

    missing = []
    for spec in trackers:
        for sequence in sequences:
            if results.is_done(out / spec.name, sequence, settings.origin):
                on_done(Done(spec, sequence, None))
            else:
                missing.append((spec, sequence))
    return _run(missing, out, settings, on_done) if missing else []


def _meta(spec: TrackerSpec, settings: Settings) -> results.Meta:
    return results.describe(
        spec.source, spec.sha256, settings.dataset, settings.origin, settings.device, settings.threads
    )


def default_workers(device: str) -> int:
    """A process for each core this process may use, at most 8; one on an accelerator."""
    return min(cores(), 8) if device == "cpu" else 1


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run(
    missing: list[tuple[TrackerSpec, Sequence]],
    out: Path,
    settings: Settings,
    on_done: Callable[[Done], None],
) -> list[Done]:
    # Spawned, not forked: torch's threads and CUDA do not survive a fork.
    spawn = multiprocessing.get_context("spawn")
    workers = min(settings.workers, len(missing))
    pool = ProcessPoolExecutor(workers, spawn, _start_worker, (settings.threads,))
    failed = []
    try:
        futures: dict[Future[None], tuple[TrackerSpec, Sequence]] = {
            pool.submit(_work, spec, sequence, out / spec.name, settings): (spec, sequence)
            for spec, sequence in missing
        }
        for future in as_completed(futures):
            error = future.exception()
            done = Done(*futures[future], None if error is None else _one_line(error))
            on_done(done)
            if error is not None:
                failed.append(done)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    pool.shutdown()
    return failed


def _start_worker(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    # Ctrl-C reaches the whole group; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


# The tracker that this worker process loaded last, by name, hash and device.
_loaded: dict[tuple[str, str, str], Tracker] = {}


def _work(spec: TrackerSpec, sequence: Sequence, folder: Path, settings: Settings) -> None:
    key = spec.name, spec.sha256, settings.device
    if key not in _loaded:
        _loaded.clear()
        _loaded[key] = spec.load(settings.device)
    boxes, times = track(_loaded[key], sequence)
    results.write_track(folder, sequence, boxes, times, settings.origin)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"
