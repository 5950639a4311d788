"""One tracker over one sequence; frames are decoded ahead on another thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from collections.abc import Sequence as Sequences
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from datasets import images
from datasets.annotations import has_area
from datasets.errors import DataError
from datasets.sequence import Sequence

AHEAD = 4
"""Frames that are decoded before they are asked for: enough to even out slow ones, little memory."""


class Tracker(Protocol):
    """What can be evaluated. Frames are (H, W, 3) uint8 BGR, boxes (4,) x, y, w, h in 0-based pixels."""

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Show the target in the first frame."""

    def update(self, frame: np.ndarray) -> Any:
        """Find the target in the next frame; the result has the attribute `box`, and may have `score`."""


class Tracked(NamedTuple):
    """What a tracker answered to N frames.

    Attributes:
        boxes: (N, 4) float64, the first being the true one.
        times: (N,) seconds of `init` and each `update`; waiting for a decoded frame is not in these.
        scores: (N,) float64; NaN where the tracker gives none, as in the first frame.
    """

    boxes: np.ndarray
    times: np.ndarray
    scores: np.ndarray


def track(tracker: Tracker, sequence: Sequence) -> Tracked:
    """Run a tracker over a sequence from its first true box (one-pass evaluation).

    Raises:
        DataError: the first true box has no area, a frame cannot be read, or the tracker answers with something other
            than four finite numbers.
    """
    if not has_area(sequence.boxes[:1])[0]:
        raise DataError(f"{sequence.name}: the first box {sequence.boxes[0].tolist()} has no area; nothing to track")
    boxes = np.empty((len(sequence), 4))
    times = np.empty(len(sequence))
    scores = np.full(len(sequence), np.nan)
    with closing(decoded(sequence.frames)) as frames:
        for index, frame in enumerate(frames):
            start = time.perf_counter()
            if index == 0:
                box = sequence.boxes[0]
                tracker.init(frame, box.copy())
            else:
                result = tracker.update(frame)
                box = result.box
            times[index] = time.perf_counter() - start
            if index:
                scores[index] = getattr(result, "score", np.nan)
            boxes[index] = _checked(box, sequence, index)
    return Tracked(boxes, times, scores)


def decoded(paths: Sequences[Path]) -> Generator[np.ndarray, None, None]:
    """Images in order, (H, W, 3) uint8 BGR, up to `AHEAD` of them decoded before they are asked for.

    Close the iterator to end its thread where not all images are taken.

    Raises:
        DataError: an image cannot be read; raised where that image is due.
    """
    decoder = ThreadPoolExecutor(1, "decoder")
    try:
        waiting = deque(decoder.submit(images.read, path) for path in paths[:AHEAD])
        for index in range(len(paths)):
            frame = waiting.popleft().result()
            if index + AHEAD < len(paths):
                waiting.append(decoder.submit(images.read, paths[index + AHEAD]))
            yield frame
    finally:
        decoder.shutdown(cancel_futures=True)


def _checked(box: Any, sequence: Sequence, index: int) -> np.ndarray:
    values = np.asarray(box, dtype=np.float64)
    if values.shape != (4,) or not np.isfinite(values).all():
        raise DataError(f"{sequence.name}: the tracker answered {box!r} to frame {index}, not x, y, w, h")
    return values
