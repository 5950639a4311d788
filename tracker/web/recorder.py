"""What is recorded of one tracker of a run: the annotated video and the table, as `tools/demo.py` writes them."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from tracker.errors import OptionError, TrackerError
from tracker.overlay import Followed, draw
from tracker.recording import UpdateTime, Write, recording
from tracker.track import Result

_MEASURED_FRAMES, _MEASURED_SECONDS = 20, 2.0


class Recorder:
    """Writes frames as they come. Where the frame rate is not known, the first ones wait until it is measured.

    Args:
        stem: of both files, without a suffix.
        fps: frames a second, or None.
        max_seconds: later frames are left out.

    Attributes:
        full: frames are being left out.
    """

    def __init__(self, stem: Path, fps: float | None, max_seconds: float) -> None:
        self.full = False
        self._paths = [stem.with_name(f"{stem.name}{suffix}") for suffix in (".mp4", ".csv")]
        self._fps, self._max_seconds = fps, max_seconds
        self._waiting: list[tuple[np.ndarray, Result, float, bool]] = []
        self._times: list[float] = []
        self._files = ExitStack()
        self._write: Write | None = None
        self._broken = False
        self._count = 0

    def write(self, frame: np.ndarray, result: Result, seconds: float, first: bool) -> None:
        """Add a frame; `first` where the target was shown in it.

        Raises:
            TrackerError: the files cannot be written; later frames are left out.
        """
        self.full |= bool(self._count and self._fps and self._count >= self._max_seconds * self._fps)
        if self.full or self._broken:
            return
        self._waiting.append((frame, result, seconds, first))
        self._times.append(time.monotonic())
        if self._fps is not None or self._measured():
            self._flush()

    def close(self) -> list[Path]:
        """Give the files their names; none where nothing was written.

        Raises:
            TrackerError: the files cannot be written.
        """
        if not self._broken:
            self._flush()
        self._files.close()
        return self._paths if self._write else []

    def _measured(self) -> bool:
        return len(self._times) >= _MEASURED_FRAMES or self._times[-1] - self._times[0] > _MEASURED_SECONDS

    def _flush(self) -> None:
        for frame, result, seconds, first in self._waiting:
            write = self._write or self._open(frame)
            if first:
                self._followed, self._shown = Followed(result.box), UpdateTime()
            else:
                self._followed.see(result)
            write(self._count, draw(frame, [self._followed], self._shown.add(seconds)), [result], seconds)
            self._count += 1
        self._waiting.clear()
        self._times.clear()

    def _open(self, frame: np.ndarray) -> Write:
        self._fps, size = self._fps or _rate(self._times), (frame.shape[1], frame.shape[0])
        try:
            self._write = self._files.enter_context(recording(*self._paths, self._fps, size))
        except OptionError as error:
            self._broken = True
            raise TrackerError(f"nothing is recorded: no video of {size[0]}x{size[1]} pixels can be written") from error
        return self._write


def _rate(times: list[float]) -> float:
    """Frames a second, 1 to 60, of frames that came at these times in seconds."""
    passed = times[-1] - times[0]
    return float(np.clip((len(times) - 1) / passed, 1, 60)) if passed > 0 else 25.0
