"""What goes out to a page, which may stop reading at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from aiohttp import web

T = TypeVar("T")


async def within(seconds: float, what: Awaitable[T]) -> T:
    """As `asyncio.wait_for`, which before Python 3.12 forgets a cancellation that comes as `what` ends.

    Raises:
        asyncio.TimeoutError: it took longer.
    """
    task = asyncio.ensure_future(what)
    try:
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            raise asyncio.TimeoutError
    finally:
        task.cancel()
    return task.result()


async def end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended; one cancellation is not enough where what they await may swallow it."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=1)
    await asyncio.gather(*tasks, return_exceptions=True)  # what they ended with is known or not wanted


class Outgoing:
    """Messages to the page behind a socket.

    Args:
        socket: prepared.
        stall_seconds: that it may leave a message unread.
    """

    def __init__(self, socket: web.WebSocketResponse, stall_seconds: float) -> None:
        self._socket, self._stall_seconds = socket, stall_seconds

    async def send(self, message: dict[str, Any] | bytes) -> None:
        """Send.

        Raises:
            ConnectionError: the page is gone.
            asyncio.TimeoutError: it does not read.
        """
        sending = self._socket.send_bytes(message) if isinstance(message, bytes) else self._socket.send_json(message)
        await within(self._stall_seconds, sending)

    async def say(self, text: str) -> None:
        """Tell what went wrong; the session goes on."""
        await self.send({"type": "error", "text": text, "fatal": False})

    async def note(self, text: str) -> None:
        """Tell what one may want to know; nothing went wrong."""
        await self.send({"type": "note", "text": text})

    async def say_last(self, text: str) -> None:
        """Tell why the session ends, if the page still listens."""
        with suppress(ConnectionError, asyncio.TimeoutError):
            await self.send({"type": "error", "text": text, "fatal": True})
