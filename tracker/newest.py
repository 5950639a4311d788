"""Only the newest frame of a camera or stream: what was not taken in time is dropped, so nothing lags behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np


class NewestFrames:
    """Reads endless frames on its own thread; as an iterator it gives the newest one that was not given yet.

    Args:
        frames: the source; an error that it raises ends this iterator with the same error.
    """

    def __init__(self, frames: Iterator[np.ndarray]) -> None:
        self._frames = frames
        self._changed = threading.Condition()
        self._newest: np.ndarray | None = None
        self._error: BaseException | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="newest frames", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[np.ndarray]:
        return self

    def __next__(self) -> np.ndarray:
        frame = self.take(None)
        if frame is None:
            raise StopIteration
        return frame

    @property
    def ended(self) -> bool:
        """No further frame will come."""
        with self._changed:
            return self._ended and self._newest is None

    def take(self, seconds: float | None) -> np.ndarray | None:
        """The newest frame, or None where none comes within so many seconds (None: for ever) or ever again."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._ended, seconds)
            frame, self._newest = self._newest, None
            if frame is None and self._error:
                raise self._error
        return frame

    def close(self) -> None:
        """End the reading and release the source, once a read that is under way returns."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read(self) -> None:
        try:
            for frame in self._frames:
                with self._changed:
                    if self._ended:
                        break
                    self._newest = frame
                    self._changed.notify_all()
        except Exception as error:
            self._error = error
        finally:
            close = getattr(self._frames, "close", None)
            if close:
                close()
            self.close()
