"""One page that is connected, from its first message to the last.

Three tasks share it. One reads messages and never waits for anything else, one does the work, one watches for
idleness. Nothing that computes or blocks runs in them, so a session delays no other by more than the processor it uses,
with one exception: OpenCV opens one source of FFmpeg at a time, so while a stream that is silent is being opened (10
seconds at most) other videos wait to be opened.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from tracker.web.inbox import Inbox
from tracker.web.limits import Limits, spoken
from tracker.web.offers import Offers
from tracker.web.outgoing import Outgoing, end
from tracker.web.protocol import ProtocolError
from tracker.web.shelf import Shelf
from tracker.web.worker import Worker


class SessionEnd(Exception):
    """The session ends for a reason that the page shows."""


class Session:
    """A page's WebSocket and everything that lives as long as it.

    Args:
        socket: prepared.
        offers: what may be chosen from.
        limits: bounds.
        folder: for temporary files; the session's own one in it is removed at the end.
    """

    def __init__(self, socket: web.WebSocketResponse, offers: Offers, limits: Limits, folder: Path) -> None:
        self.key = secrets.token_urlsafe(16)
        self.folder = folder / self.key
        self.inbox, self.shelf = Inbox(limits), Shelf(self.folder)
        self._socket, self._offers, self._limits = socket, offers, limits
        self._out = Outgoing(socket, limits.stall_seconds)
        self.worker = Worker(self.inbox, self._out, offers, limits, self.shelf, f"download/{self.key}")

    async def serve(self) -> None:
        """Until the page goes, or must."""
        self.folder.mkdir()
        tasks = [asyncio.create_task(each()) for each in (self._read, self.worker.work, self._watch)]
        reason = ""
        try:
            await self._out.send(await asyncio.to_thread(self._hello))  # the folder of videos may be slow
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except (SessionEnd, ProtocolError) as error:
            reason = str(error)
        except (ConnectionError, asyncio.TimeoutError):
            pass  # the page is gone or no longer reads
        except Exception:
            reason = "the server made a mistake; its log says which"
            raise
        finally:
            await end(tasks)
            if reason:  # nothing comes after it
                await self._out.say_last(reason)
            await self.worker.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self.inbox.put(message.data)
            await asyncio.sleep(0)  # a flood of messages must not keep the other sessions waiting
        if self._socket.close_code == WSCloseCode.MESSAGE_TOO_BIG:
            raise SessionEnd("a message was too large")

    async def _watch(self) -> None:
        idle = self._limits.idle_seconds
        while (left := self.inbox.touched + idle - time.monotonic()) > 0:
            await asyncio.sleep(left)
        raise SessionEnd(f"closed after {spoken(idle)} without use; the files to download went with the page's session")

    def _hello(self) -> dict[str, Any]:
        limits = self._limits
        return {"type": "hello", "session": self.key, **self._offers.describe(),
                "limits": {"upload_bytes": limits.upload_bytes, "seconds": limits.seconds,
                           "idle": spoken(limits.idle_seconds)}}
