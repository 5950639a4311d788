"""The trackers that a page can choose from; sessions share their weights."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tracker.online import Result, SiameseTracker, load_tracker
from tracker.ready import READY
from tracker.runs import find_runs

_READY_NOTES = {"ready": "partly 1-bit, comes with the package", "ready-fp": "full precision, comes with the package"}
_READY_NAMES = {path: name for name, path in READY.items()}


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
        # Named by their folders, for the files are mostly called alike; what a page shows tells nothing of the rest.
        parts = [_named_parts(path.absolute()) for path in checkpoints]
        choices = [Choice(name, _note_beside(path), _maker(path, device, packed))
                   for name, path in zip(shortest(parts), checkpoints, strict=True)]
        for choice in choices:
            choice.make()
        return choices
    runs = sorted(find_runs(work_dir), key=lambda run: run.checkpoint.stat().st_mtime, reverse=True)
    names = shortest([*((name,) for name in READY), *(tuple(run.name.split("/")) for run in runs)])[len(READY):]
    own = [Choice(name, _note(run.summary), _maker(run.checkpoint, device, packed))
           for name, run in zip(names, runs, strict=True)]
    ready = [Choice(name, _READY_NOTES[name], _maker(path, "cpu", packed)) for name, path in READY.items()]
    return [*ready, *own]


def shortest(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """The end of each path, as short as tells it from the others; those that are the same are counted."""
    names: list[str] = []
    for path in paths:
        ends = ("/".join(path[-length:]) for length in range(1, len(path) + 1))
        alike = {other for other in paths if other != path}
        name = next((end for end in ends if not any(_ends_with(other, end) for other in alike)), "/".join(path))
        again = sum(other == path for other in paths[:len(names)])
        names.append(f"{name} ({again + 1})" if again else name)
    return names


def _ends_with(path: tuple[str, ...], end: str) -> bool:
    return f"/{'/'.join(path)}".endswith(f"/{end}")


def _named_parts(checkpoint: Path) -> tuple[str, ...]:
    if checkpoint in _READY_NAMES:
        return (_READY_NAMES[checkpoint],)
    folders = checkpoint.parent.parts[1:]
    return folders if folders and checkpoint.name == "checkpoint.pth" else (*folders, checkpoint.stem)


def _maker(checkpoint: Path, device: str, packed: bool) -> Callable[[], Tracker]:
    lock = threading.Lock()

    @cache
    def load() -> SiameseTracker:
        return load_tracker(checkpoint, device, packed)

    def make() -> Tracker:
        with lock:
            return copy.copy(load())

    return make


def _note_beside(checkpoint: Path) -> str:
    """What the summary of its run says, if it is a run's."""
    if checkpoint in _READY_NAMES:
        return _READY_NOTES[_READY_NAMES[checkpoint]]
    return next((_note(run.summary) for run in find_runs(checkpoint.parent) if run.checkpoint == checkpoint), "")


def _note(summary: Mapping[str, Any]) -> str:
    ratio = summary.get("flops_ratio")
    method = str(summary.get("method") or "")
    if isinstance(ratio, float) and ratio < 1:
        return f"{method}, {ratio:.0%} of the full-precision FLOPs"
    return "full precision" if method == "fp" else method
