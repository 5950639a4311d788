"""One target followed by one or two trackers on the same frames, and what is recorded of each."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from tracker.overlay import Followed, draw
from tracker.recording import Write, recording
from tracker.track import Result
from tracker.web.trackers import Tracker

_MEASURED_FRAMES, _MEASURED_SECONDS = 20, 2.0


class Lane:
    """One tracker of a run."""

    def __init__(self, name: str, tracker: Tracker, recorder: Recorder) -> None:
        self.name, self.tracker, self.recorder = name, tracker, recorder
        self.result: Result
        self.seconds = 0.0

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Show the target; TrackerError where the box is not on the frame."""
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
        return {"box": [round(float(value), 2) for value in box], "score": round(float(score), 4),
                "lost": bool(lost), "ms": round(1000 * self.seconds, 2)}


class Run:
    """Follows one target from its first frame.

    Args:
        trackers: by name; at most two.
        folder: for the recorded files; it is made.
        fps: frames a second of the recorded videos, None where only time can tell.
        max_seconds: what is recorded at most.

    Raises:
        TrackerError: the box is not on the frame.
    """

    def __init__(self, trackers: Mapping[str, Tracker], folder: Path, fps: float | None, max_seconds: float,
                 frame: np.ndarray, box: np.ndarray) -> None:
        self.lanes = [Lane(name, tracker, Recorder(folder / _file_name(name), fps, max_seconds))
                      for name, tracker in trackers.items()]
        for lane in self.lanes:
            lane.init(frame, box)
        folder.mkdir(parents=True)
        self._frame = frame

    def follow(self, frame: np.ndarray) -> None:
        """Find the target in the next frame."""
        self._frame = frame
        for lane in self.lanes:
            lane.update(frame)

    def describe(self) -> list[dict[str, Any]]:
        """What the page is told of the last frame, a lane each."""
        return [lane.describe() for lane in self.lanes]

    def recording(self) -> Callable[[], None]:
        """What writes the last frame; it may be called on another thread while the next frame is followed."""
        frame, written = self._frame, [(lane.recorder, lane.result, lane.seconds) for lane in self.lanes]

        def record() -> None:
            for recorder, result, seconds in written:
                recorder.write(frame, result, seconds)

        return record

    def close(self) -> list[Path]:
        """End the recording; the videos and tables."""
        return [path for lane in self.lanes for path in lane.recorder.close()]


class Recorder:
    """The annotated video and the table of one lane, as `tools/demo.py` writes them.

    Where the frame rate is not known, the first frames wait until it is measured.

    Args:
        stem: of both files, without a suffix.
        fps: frames a second, or None.
        max_seconds: later frames are left out.
    """

    def __init__(self, stem: Path, fps: float | None, max_seconds: float) -> None:
        self._paths = [stem.with_name(f"{stem.name}{suffix}") for suffix in (".mp4", ".csv")]
        self._fps, self._max_seconds = fps, max_seconds
        self._waiting: list[tuple[np.ndarray, Result, float]] = []
        self._times: list[float] = []
        self._files = ExitStack()
        self._write: Write | None = None
        self._followed: Followed | None = None
        self._count = 0
        self._smoothed = 0.0

    def write(self, frame: np.ndarray, result: Result, seconds: float) -> None:
        """Add a frame."""
        if self._count and self._fps and self._count >= self._max_seconds * self._fps:
            return
        self._waiting.append((frame, result, seconds))
        self._times.append(time.monotonic())
        if self._fps is None and not self._measured():
            return
        self._flush()

    def close(self) -> list[Path]:
        """Give the files their names; none where there was no frame."""
        self._flush()
        self._files.close()
        return self._paths if self._write else []

    def _measured(self) -> bool:
        return len(self._times) >= _MEASURED_FRAMES or self._times[-1] - self._times[0] > _MEASURED_SECONDS

    def _flush(self) -> None:
        for frame, result, seconds in self._waiting:
            if self._write is None:
                self._fps = self._fps or _rate(self._times)
                size = frame.shape[1], frame.shape[0]
                self._write = self._files.enter_context(recording(*self._paths, self._fps, size))
            # As in `track_video`, the time shown is that of updates, without the init before them.
            self._smoothed = 0.9 * self._smoothed + 0.1 * seconds if self._count > 1 else seconds
            if self._followed is None:
                self._followed = Followed(result.box)
            else:
                self._followed.see(result)
            self._write(self._count, draw(frame, [self._followed], self._smoothed), [result], seconds)
            self._count += 1
        self._waiting.clear()
        self._times.clear()


def _rate(times: list[float]) -> float:
    """Frames a second, 1 to 60, of frames that came at these times in seconds."""
    passed = times[-1] - times[0]
    return float(np.clip((len(times) - 1) / passed, 1, 60)) if passed > 0 else 25.0


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.=-]+", "-", name).strip("-.") or "tracked"
