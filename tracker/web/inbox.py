"""What a page has sent and the session has not dealt with yet; bounded whatever the page does."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from tracker.web.limits import Limits
from tracker.web.protocol import Frame, Message, ProtocolError, Shown, parse, parse_frame

_MAX_COMMANDS = 16


class Inbox:
    """Filled by the task that reads, emptied by the one that works.

    Attributes:
        wake: set when something came; who finds nothing to do clears it.
        seen: number of the last frame of the page's camera, dropped or not.
        unshown: numbers of the pictures that were sent and not yet shown.
        touched: when the last message came, in `time.monotonic`.
    """

    def __init__(self, limits: Limits) -> None:
        self.wake = asyncio.Event()
        self.seen = -1
        self.unshown: set[int] = set()
        self.touched = time.monotonic()
        self._limits = limits
        self._commands: deque[Message] = deque()
        self._newest: Frame | None = None

    def touch(self) -> None:
        """The page is alive."""
        self.touched = time.monotonic()

    def put(self, data: str | bytes) -> None:
        """Take a message in.

        Raises:
            ProtocolError: the page would never send it, or never so much.
        """
        self.touch()
        if isinstance(data, str):
            self._put_message(parse(data))
        else:
            self._put_frame(parse_frame(data))
        self.wake.set()

    def command(self) -> Message | None:
        """The oldest command."""
        return self._commands.popleft() if self._commands else None

    def frame(self) -> Frame | None:
        """The newest frame of the page's camera that was not taken yet."""
        frame, self._newest = self._newest, None
        return frame

    def _put_message(self, message: Message) -> None:
        if isinstance(message, Shown):
            self.unshown.discard(message.frame)
            return
        if len(self._commands) >= _MAX_COMMANDS:
            raise ProtocolError("more messages than can be answered")
        self._commands.append(message)

    def _put_frame(self, frame: Frame) -> None:
        """Keep the newest frame only, but never drop one with a box for one without."""
        if len(frame.jpeg) > self._limits.frame_bytes:
            raise ProtocolError(f"a frame of the camera is larger than {self._limits.frame_bytes >> 10} KiB")
        self.seen = frame.number
        if self._newest is None or self._newest.box is None or frame.box is not None:
            self._newest = frame
