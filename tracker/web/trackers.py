"""The trackers that a page can choose from; sessions share their weights."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from tracker.online import Result, SiameseTracker, load_tracker
from tracker.ready import READY_MODEL
from tracker.runs import Run, find_runs


class Tracker(Protocol):
    """What a lane needs of a tracker."""

    def init(self, frame: np.ndarray, box: np.ndarray) -> None: ...

    def update(self, frame: np.ndarray) -> Result: ...


@dataclass(frozen=True)
class Choice:
    """A tracker on offer.

    Attributes:
        name: how the page names it, unique.
        note: what is special about it, one short line.
        make: a new tracker, with weights loaded once.
    """

    name: str
    note: str
    make: Callable[[], Tracker]


def find_choices(work_dir: Path, checkpoints: Sequence[Path], device: str, packed: bool = False) -> list[Choice]:
    """The trackers of these checkpoints, or else the package's own and those of all finished runs, the latest first.

    Raises:
        CheckpointError: a named checkpoint cannot be read.
    """
    if checkpoints:
        choices = [Choice(path.parent.name or path.name, str(path), _maker(path, device, packed))
                   for path in checkpoints]
        for choice in choices:
            choice.make()
        return _with_own_names(choices)
    runs = sorted(find_runs(work_dir), key=lambda run: run.checkpoint.stat().st_mtime, reverse=True)
    own = [Choice(run.name, _note(run), _maker(run.checkpoint, device, packed)) for run in runs]
    return [Choice("ready", "comes with the package", _maker(READY_MODEL, "cpu", packed)), *own]


def _maker(checkpoint: Path, device: str, packed: bool) -> Callable[[], Tracker]:
    lock = threading.Lock()

    @cache
    def load() -> SiameseTracker:
        return load_tracker(checkpoint, device, packed)

    def make() -> Tracker:
        with lock:
            return copy.copy(load())

    return make


def _note(run: Run) -> str:
    ratio = run.summary.get("flops_ratio")
    method = str(run.summary.get("method") or "")
    if isinstance(ratio, float) and ratio < 1:
        return f"{method}, {ratio:.0%} of the full-precision FLOPs"
    return "full precision" if method == "fp" else method


def _with_own_names(choices: Sequence[Choice]) -> list[Choice]:
    """The whole path where two folders have the same name."""
    names = [choice.name for choice in choices]
    return [choice if names.count(choice.name) == 1 else Choice(choice.note, choice.note, choice.make)
            for choice in choices]
