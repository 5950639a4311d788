"""One target followed by one or two trackers on the same frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from tracker.boxes import as_box
from tracker.track import Result
from tracker.web.recorder import Recorder
from tracker.web.trackers import Tracker


class Lane:
    """One tracker of a run."""

    def __init__(self, name: str, tracker: Tracker, recorder: Recorder) -> None:
        self.name, self.tracker, self.recorder = name, tracker, recorder
        self.result: Result
        self.seconds = 0.0

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Show the target."""
        start = time.perf_counter()
        self.tracker.init(frame, box)
        self.seconds = time.perf_counter() - start
        self.result = Result(box, 1.0, False)

    def update(self, frame: np.ndarray) -> None:
        """Find it in the next frame."""
        start = time.perf_counter()
        box, score, lost = self.tracker.update(frame)
        self.seconds = time.perf_counter() - start
        self.result = Result(np.asarray(box, dtype=np.float64), score, lost)

    def describe(self) -> dict[str, Any]:
        """What the page is told of the last frame."""
        box, score, lost = self.result
        return {"name": self.name, "box": [round(float(value), 2) for value in box], "score": round(float(score), 4),
                "lost": bool(lost), "ms": round(1000 * self.seconds, 2)}


class Run:
    """Follows a target, from `begin` on, and later another one where it begins again: all of it is one recording.

    Args:
        trackers: by name; at most two.
        stems: of the recorded files, a tracker each.
        fps: frames a second of the recorded videos, None where only time can tell.
        max_seconds: what is recorded at most.

    Attributes:
        first: the target was shown in the last frame, not found.
    """

    def __init__(self, trackers: Mapping[str, Tracker], stems: Sequence[Path], fps: float | None,
                 max_seconds: float) -> None:
        self.lanes = [Lane(name, tracker, Recorder(stem, fps, max_seconds))
                      for (name, tracker), stem in zip(trackers.items(), stems, strict=True)]
        self._frame: np.ndarray | None = None
        self._turn = 1
        self.first = True

    @property
    def full(self) -> bool:
        """Nothing more is recorded."""
        return any(lane.recorder.full for lane in self.lanes)

    def begin(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Show the target; on the frame that was followed last, its box takes the place of what was found there.

        Raises:
            TrackerError: the box is not on the frame; nothing has changed then.
        """
        box = as_box(box, frame)
        for lane in self.lanes:
            lane.init(frame, box)
        self._frame, self.first = frame, True

    def follow(self, frame: np.ndarray) -> None:
        """Find the target in the next frame; who is last begins the next time, for the second finds things cached."""
        for lane in self.lanes[::self._turn]:
            lane.update(frame)
        self._turn = -self._turn
        self._frame, self.first = frame, False

    def describe(self) -> list[dict[str, Any]]:
        """What the page is told of the last frame, a lane each."""
        return [lane.describe() for lane in self.lanes]

    def recording(self) -> Callable[[], None]:
        """What writes the last frame, once; it may be called on another thread while the next one is followed."""
        frame, first, self._frame = self._frame, self.first, None
        written = [(lane.recorder, lane.result, lane.seconds) for lane in self.lanes if frame is not None]

        def record() -> None:
            for recorder, result, seconds in written:
                recorder.write(frame, result, seconds, first)

        return record

    def close(self) -> list[Path]:
        """End the recording; the videos and tables.

        Raises:
            TrackerError: they cannot be written.
        """
        paths: list[Path] = []
        with ExitStack() as files:  # whatever one of them raises, all are closed
            for lane in reversed(self.lanes):
                files.callback(lambda lane=lane: paths.extend(lane.recorder.close()))
            files.callback(self.recording())
        return paths
