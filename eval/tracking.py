"""One tracker over one sequence."""

from __future__ import annotations

import time
from typing import Any, Protocol

import numpy as np

from datasets import images
from datasets.errors import DataError
from datasets.sequence import Sequence


class Tracker(Protocol):
    """What can be evaluated. Frames are (H, W, 3) uint8 BGR, boxes (4,) x, y, w, h in 0-based pixels."""

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Show the target in the first frame."""

    def update(self, frame: np.ndarray) -> Any:
        """Find the target in the next frame; the result has the attribute `box`."""


def track(tracker: Tracker, sequence: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """Run a tracker over a sequence from its first true box (one-pass evaluation).

    Returns:
        (N, 4) float64 boxes, the first being the true one, and (N,) seconds of `init` and each `update`.
        Decoding is not in these times.

    Raises:
        DataError: a frame cannot be read, or the tracker answers with something other than four finite
            numbers.
    """
    boxes = np.empty((len(sequence), 4))
    times = np.empty(len(sequence))
    for index, path in enumerate(sequence.frames):
        frame = images.read(path)
        start = time.perf_counter()
        if index == 0:
            box = sequence.boxes[0]
            tracker.init(frame, box.copy())
        else:
            box = tracker.update(frame).box
        times[index] = time.perf_counter() - start
        boxes[index] = _checked(box, sequence, index)
    return boxes, times


def _checked(box: Any, sequence: Sequence, index: int) -> np.ndarray:
    values = np.asarray(box, dtype=np.float64)
    if values.shape != (4,) or not np.isfinite(values).all():
        raise DataError(f"{sequence.name}: the tracker answered {box!r} to frame {index}, not x, y, w, h")
    return values
