"""Many short runs a sequence, from many starts, forward and backward.

One run a sequence ranks trackers badly: a single target lost early costs the whole rest of the sequence. Following the
anchors of VOT 2020 (Kristan et al., "The Eighth Visual Object Tracking VOT2020 Challenge Results"), a tracker starts
at every so many frames, once towards the end and once towards the beginning. Unlike there, runs are bounded so that all
weigh alike, and the measure is the plain mean overlap.

The runs of a sequence are kept in `<tracker>/multi_start/<options>/<sequence>.csv`, scores are computed from these.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Sequences
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from datasets.annotations import has_area
from datasets.errors import DataError
from datasets.files import write_text
from datasets.sequence import Sequence
from eval import results
from eval.boxes import iou
from eval.tracking import Tracker, track


@dataclass(frozen=True)
class Options:
    """Where runs start and how long they are.

    Attributes:
        every: frames from one start to the next.
        length: frames of a run at most, the first included.
        least: shorter runs, at the ends of a sequence, are not made.

    Raises:
        DataError: a value out of range, named by its option of the commands.
    """

    every: int = 45
    length: int = 40
    least: int = 15

    def __post_init__(self) -> None:
        if self.every < 1:
            raise DataError(f"--start-every {self.every}: must be at least 1")
        if self.least < 2:
            raise DataError(f"--least-frames {self.least}: must be at least 2, the start and a frame to score")
        if self.length < self.least:
            raise DataError(f"--run-frames {self.length}: must be at least --least-frames {self.least}")


@dataclass(frozen=True)
class Difference:
    """Mean over the targets that two trackers share of one's score minus the other's, and its standard error.

    `stderr` is None for fewer than two targets.
    """

    mean: float
    stderr: float | None
    targets: int


def runs(sequence: Sequence, options: Options) -> list[np.ndarray]:
    """The frames of each run in the order that the tracker sees them, (M,) int indices, the start first.

    A start without a visible target that has area moves on to the next frame with one; starts that meet are one.
    """
    usable = np.flatnonzero(_shown(sequence))
    found = np.searchsorted(usable, np.arange(0, len(sequence), options.every))
    starts = np.unique(usable[found[found < len(usable)]])
    frames = np.arange(len(sequence))
    both = [run for start in starts
            for run in (frames[start:start + options.length], frames[:start + 1][::-1][:options.length])]
    return [run for run in both if len(run) >= options.least]


def track_runs(tracker: Tracker, sequence: Sequence, options: Options) -> list[np.ndarray]:
    """Run a tracker over each of `runs(sequence, options)`; (M, 4) boxes each, x, y, w, h in 0-based pixels.

    Raises:
        DataError: as `eval.tracking.track`.
    """
    return [track(tracker, _part(sequence, run)).boxes for run in runs(sequence, options)]


def write_runs(folder: Path, sequence: Sequence, options: Options, boxes: Sequences[np.ndarray]) -> None:
    """Write what `track_runs` gave into a tracker's result folder: `run,frame,x,y,w,h`, all 0-based."""
    lines = ["run,frame,x,y,w,h"]
    for number, (run, track_of_run) in enumerate(zip(runs(sequence, options), boxes, strict=True)):
        lines += [f"{number},{frame}," + ",".join(f"{value:.4f}" for value in box)
                  for frame, box in zip(run, track_of_run, strict=True)]
    write_text(_file(folder, sequence, options), "\n".join(lines) + "\n")


def is_done(folder: Path, sequence: Sequence, options: Options) -> bool:
    """Whether `folder` has every run of a sequence, each from the true box of its start."""
    try:
        read_runs(folder, sequence, options)
    except DataError:
        return False
    return True


def read_runs(folder: Path, sequence: Sequence, options: Options) -> list[np.ndarray]:
    """Read back the boxes of each run, (M, 4) each.

    Raises:
        DataError: the file is missing, malformed, or of other runs or another truth.
    """
    path = _file(folder, sequence, options)
    try:
        lines = path.read_text().splitlines()[1:]
        rows = np.array([line.split(",") for line in lines], dtype=np.float64).reshape(-1, 6)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot read runs ({error})") from error
    expected = runs(sequence, options)
    keys = [(number, frame) for number, run in enumerate(expected) for frame in run]
    if not np.array_equal(rows[:, :2], np.reshape(keys, (-1, 2))):
        raise DataError(f"{path}: does not hold the runs of {sequence.name}")
    lengths = [len(run) for run in expected]
    boxes = np.split(rows[:, 2:], np.cumsum(lengths)[:-1]) if expected else []
    if any(np.abs(given[0] - sequence.boxes[run[0]]).max() > 1e-3
           for given, run in zip(boxes, expected, strict=True)):
        raise DataError(f"{path}: started from other boxes than those of {sequence.name}")
    return boxes


def target_scores(folder: Path, sequences: Sequences[Sequence], options: Options) -> dict[str, float]:
    """Mean overlap of each sequence's runs, 0..1 by the sequence's name.

    A run's score is its mean overlap over the frames that show the target, without the start; a sequence's is the mean
    of its runs. Boxes are not confined to the frame. A sequence without a run to score is left out.

    Raises:
        DataError: runs of a sequence are missing or malformed.
    """
    scores = {}
    for sequence in sequences:
        values = []
        for run, boxes in zip(runs(sequence, options), read_runs(folder, sequence, options), strict=True):
            counted = _shown(sequence)[run]
            counted[0] = False
            if counted.any():
                values.append(iou(boxes[counted], sequence.boxes[run[counted]]).mean())
        if values:
            scores[sequence.name] = float(np.mean(values))
    return scores


def difference(scores: Mapping[str, float], reference: Mapping[str, float]) -> Difference | None:
    """Compare two trackers' `target_scores`, paired over targets; None where they share none."""
    shared = [name for name in scores if name in reference]
    if not shared:
        return None
    paired = np.array([scores[name] - reference[name] for name in shared])
    stderr = float(paired.std(ddof=1) / np.sqrt(len(paired))) if len(paired) > 1 else None
    return Difference(float(paired.mean()), stderr, len(paired))


def _shown(sequence: Sequence) -> np.ndarray:
    """(N,) bool: the target is visible and its true box has area."""
    return sequence.visible & has_area(sequence.boxes)


def _part(sequence: Sequence, run: np.ndarray) -> Sequence:
    return replace(sequence, name=f"{sequence.name} from frame {run[0]}", boxes=sequence.boxes[run],
                   frames=tuple(sequence.frames[index] for index in run), visible=sequence.visible[run])


def _file(folder: Path, sequence: Sequence, options: Options) -> Path:
    # Runs of other options lie in another folder, so that they are neither mixed up nor lost.
    name = f"every{options.every}-frames{options.length}-least{options.least}"
    return folder / results.MULTI_START / name / f"{sequence.name}.csv"
