"""How many cameras and streams are being opened at a time."""

from __future__ import annotations

import threading
from concurrent.futures import Future

from tracker.errors import TrackerError
from tracker.opening import opening
from tracker.video import Source


class Openings:
    """All that are under way on a server. OpenCV opens one source of FFmpeg at a time: more of them would only queue.

    Args:
        most: at a time; a session has one of them at most.
    """

    def __init__(self, most: int = 2) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._sessions: set[object] = set()

    def begin(self, session: object, camera: str) -> Future[Source]:
        """Open a camera (its index) or a stream (its URL) as `tracker.opening.opening` does.

        One that is given up counts until it has answered, for its thread waits as long.

        Raises:
            TrackerError: there are too many already.
        """
        with self._lock:
            if session in self._sessions or len(self._sessions) >= self._most:
                raise TrackerError("another camera is being opened; wait")
            self._sessions.add(session)
        return opening(camera, lambda: self._sessions.discard(session))
