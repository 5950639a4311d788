"""A source of the server while it is open: the frame that it is at, and when the next one is due."""

from __future__ import annotations

import time

import numpy as np

from datasets.errors import DataError
from tracker.errors import TrackerError
from tracker.newest import NewestFrames
from tracker.video import Source
from tracker.web.limits import Limits
from tracker.web.videos import require_size

_WAIT_SECONDS = 0.1


class Player:
    """Plays a file at its own pace, unless whoever looks is slower; of a live source it gives the newest frame.

    Attributes:
        source: opened.
        frame, number: the frame it is at, and how many came before.
        playing, over: it goes on by itself; nothing follows.

    Args:
        limits: of each frame's size; a stream may change its own.

    Raises:
        TrackerError: the first frame is not within them; the source is released.
    """

    def __init__(self, source: Source, limits: Limits) -> None:
        self.source, self.frame, self.number = source, source.first, 0
        self._limits = limits
        try:
            self._check(source.first)
        except TrackerError:
            self.close()
            raise
        self.playing = self.over = False
        self._due = 0.0

    def play(self) -> None:
        """Go on from here, if there is more."""
        self.playing, self._due = not self.over, time.monotonic()

    def wait(self) -> float:
        """Seconds until the next frame is due."""
        return max(self._due - time.monotonic(), 0.0)

    def advance(self) -> bool:
        """Go to the next frame; False where there is none, or a live source has none just now. Not for two threads.

        Raises:
            TrackerError: the next frame is not within the limits; nothing follows.
        """
        try:
            frame = self._next()
        except DataError:
            frame, self.over = None, True
        if frame is None:
            self.playing &= not self.over
            return False
        self._check(frame)
        self.frame, self.number = frame, self.number + 1
        # A tracker slower than the video slows it down; a pause that this makes is not caught up with.
        step = 0.0 if self.source.live else 1 / self.source.fps
        self._due = max(self._due + step, time.monotonic() - step)
        return True

    def close(self) -> None:
        """Release the source."""
        self.source.rest.close()

    def _check(self, frame: np.ndarray) -> None:
        try:
            require_size(frame.shape[1], frame.shape[0], self.source.name, self._limits)
        except TrackerError:
            self.playing, self.over = False, True
            raise

    def _next(self) -> np.ndarray | None:
        rest = self.source.rest
        if isinstance(rest, NewestFrames):
            frame = rest.take(_WAIT_SECONDS)
            self.over = frame is None and rest.ended
        else:
            frame = next(rest, None)
            self.over = frame is None
        return frame
