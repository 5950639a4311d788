"""One page that is connected: its source, its trackers, its run.

Three tasks share it. One reads messages and never waits for anything else, one does the work, one watches for
idleness. All that computes or blocks runs on the session's own two threads, one of which writes recorded files; so a
session delays no other by more than the processor it uses.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from aiohttp import WSCloseCode, WSMsgType, web

from datasets.errors import DataError
from tracker.errors import TrackerError
from tracker.newest import NewestFrames
from tracker.video import Source, open_source, require_whole
from tracker.web import protocol
from tracker.web.inbox import Inbox
from tracker.web.limits import Limits
from tracker.web.run import Run
from tracker.web.trackers import Choice
from tracker.web.videos import find_video, list_videos, open_video

_WAIT_SECONDS = 0.02
T = TypeVar("T")


class SessionEnd(Exception):
    """The session ends for a reason that the page shows."""


class Session:
    """A page's WebSocket and everything that lives as long as it.

    Args:
        socket: prepared.
        choices: trackers on offer, by name.
        videos: folder whose videos may be opened, or None.
        cameras: cameras and streams of the server that may be opened.
        limits: bounds.
        folder: for temporary files; removed at the end.
    """

    def __init__(self, socket: web.WebSocketResponse, choices: Mapping[str, Choice], videos: Path | None,
                 cameras: Sequence[str], limits: Limits, folder: Path) -> None:
        self.key = secrets.token_urlsafe(16)
        self.folder = folder / self.key
        self.files: dict[str, Path] = {}
        self.upload: tuple[str, Path] | None = None
        self._socket, self._choices, self._limits = socket, choices, limits
        self._videos, self._cameras = videos, cameras
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="session")
        self._recorder = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._recording: asyncio.Future[None] | None = None
        self.inbox = Inbox(limits)
        self._chosen: tuple[str, ...] = (next(iter(choices)),)
        self._reset()

    def _reset(self) -> None:
        self._source: Source | None = None
        self._run: Run | None = None
        self._frame: np.ndarray | None = None
        self._number, self._due = 0, 0.0
        self._playing = self._over = False
        self.inbox.unshown.clear()

    async def serve(self) -> None:
        """Until the page goes, or must."""
        self.folder.mkdir()
        tasks = [asyncio.create_task(each()) for each in (self._read, self._work, self._watch)]
        try:
            await self._send(self._hello())
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except (SessionEnd, protocol.ProtocolError) as end:
            await self._say(str(end), fatal=True)
        except (ConnectionError, asyncio.TimeoutError):
            pass  # the page is gone or no longer reads
        except Exception:
            await self._say("the server made a mistake; its log says which", fatal=True)
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._let_go()
            await self._in_thread(self._close_source)
            await self._in_thread(self._clean, self._recorder)
            for pool in (self._thread, self._recorder):
                pool.shutdown(wait=False)

    # What comes in.

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
        raise SessionEnd(f"closed after {_spoken(idle)} without use")

    # What is done about it.

    async def _work(self) -> None:
        while True:
            await self.inbox.wake.wait()
            try:
                if command := self.inbox.command():
                    await self._obey(command)
                elif frame := self.inbox.frame():
                    await self._device_frame(frame)
                elif self._playing:
                    await self._next()
                else:
                    self.inbox.wake.clear()
            except protocol.ProtocolError:
                raise
            except (TrackerError, DataError) as error:
                await self._say(str(error))
                await self._tell_state()

    async def _obey(self, message: protocol.Message) -> None:
        if isinstance(message, protocol.Open):
            await self._open(message)
        elif isinstance(message, protocol.Choose):
            await self._choose(message.names)
        elif isinstance(message, protocol.Select):
            await self._select(message.box)
        elif isinstance(message, protocol.Play):
            self._playing, self._due = self._source is not None and not self._over, time.monotonic()
            await self._tell_state()
        elif isinstance(message, protocol.Pause):
            await self._pause()
        elif isinstance(message, protocol.Stop):
            self._playing = False
            await self._end_run()
            await self._pause()

    async def _open(self, wanted: protocol.Open) -> None:
        await self._end_run()
        self._let_go()
        await self._in_thread(self._close_source)
        self._reset()
        if wanted.kind == "device":
            await self._send({"type": "source", "kind": "device", "live": True})
            return
        source = await self._in_thread(lambda: self._opened(wanted))
        self._source, self._frame = source, source.first
        height, width = source.first.shape[:2]
        await self._send({"type": "source", "kind": wanted.kind, "name": source.name, "width": width,
                          "height": height, "count": source.count, "fps": source.fps, "live": source.live})
        await self._pause()

    def _opened(self, wanted: protocol.Open) -> Source:
        if wanted.kind == "video":
            return open_video(find_video(self._videos, wanted.name), wanted.name, self._limits)
        if wanted.kind == "upload":
            if self.upload is None:
                raise TrackerError("no video was uploaded")
            name, path = self.upload
            return open_video(path, name, self._limits, self._limits.seconds)
        if wanted.name not in self._cameras:
            raise TrackerError("no such camera on the server")
        source = open_source(wanted.name)
        return replace(source, rest=NewestFrames(source.rest), live=True)

    async def _choose(self, names: tuple[str, ...]) -> None:
        for name in names:
            if name not in self._choices:
                raise TrackerError("no such tracker")
            await self._in_thread(self._choices[name].make)
        self._chosen = names
        await self._send({"type": "chosen", "names": names})

    async def _select(self, box: np.ndarray) -> None:
        if self._source is None or self._frame is None or self._over:
            raise TrackerError("there is no video to go on with; choose one, or restart it")
        await self._begin(self._frame, box, None if self._source.live else self._source.fps)
        await self._show(force=True)
        await self._record()
        self._playing, self._due = True, time.monotonic()
        await self._tell_state()

    async def _begin(self, frame: np.ndarray, box: np.ndarray, fps: float | None) -> None:
        await self._end_run()
        await self._in_thread(self._remove_files)
        self._run = await self._in_thread(lambda: Run(self._trackers(), self._run_folder(), fps, self._limits.seconds,
                                                      frame, box))

    def _trackers(self) -> dict[str, Any]:
        """New trackers by name; the second of the same name has a mark."""
        names = [name if name not in self._chosen[:place] else f"{name} (2)" for place, name in enumerate(self._chosen)]
        return {name: self._choices[choice].make() for name, choice in zip(names, self._chosen, strict=True)}

    async def _device_frame(self, message: protocol.Frame) -> None:
        frame = await self._in_thread(lambda: protocol.decode(message.jpeg, self._limits.frame_side))
        if message.box is not None:
            await self._begin(frame, message.box, None)
        elif self._run is not None:
            await self._in_thread(lambda: self._run.follow(frame))
        await self._send({"type": "result", "frame": message.number, "seen": self.inbox.seen,
                          "first": message.box is not None, "lanes": self._run.describe() if self._run else []})
        if self._run is not None:
            await self._record()

    async def _next(self) -> None:
        """The next frame of a source of the server, when its time has come."""
        delay = self._due - time.monotonic()
        if delay > 0:
            await asyncio.sleep(min(delay, _WAIT_SECONDS))
            return
        source = self._source
        try:
            frame = await self._in_thread(lambda: next(source.rest, None))
        except DataError:
            frame = None
        if frame is None:
            await self._ended()
            return
        self._frame, self._number = frame, self._number + 1
        # A tracker slower than the video slows it down; a pause that this makes is not caught up with.
        self._due = max(self._due + 1 / source.fps, time.monotonic() - 1 / source.fps) if not source.live else 0.0
        if self._run is not None:
            await self._in_thread(lambda: self._run.follow(frame))
        await self._show()
        if self._run is not None:
            await self._record()

    async def _record(self) -> None:
        """Write the last frame while the next one is tracked; one at a time, so that none pile up."""
        if self._recording is not None:
            await self._recording
        self._recording = asyncio.get_running_loop().run_in_executor(self._recorder, self._run.recording())

    async def _show(self, force: bool = False) -> None:
        """Send the held frame, unless the page has not shown the last ones yet."""
        if len(self.inbox.unshown) >= self._limits.in_flight and not force:
            return
        frame, number = self._frame, self._number
        jpeg = await self._in_thread(lambda: protocol.encode(frame, self._limits.picture_side))
        self.inbox.unshown.add(number)
        await self._send(protocol.pack({"type": "picture", "frame": number, "width": frame.shape[1],
                                        "height": frame.shape[0],
                                        "lanes": self._run.describe() if self._run else []}, jpeg))

    async def _pause(self) -> None:
        self._playing = False
        if self._frame is not None:
            await self._show(force=True)
        await self._tell_state()

    async def _ended(self) -> None:
        """Nothing follows in the source."""
        self._playing, self._over = False, True
        await self._show(force=True)
        await self._end_run()
        await self._tell_state()
        require_whole(self._source, self._number + 1)

    async def _end_run(self) -> None:
        """Close the run, if there is one, and offer its files."""
        run, self._run = self._run, None
        if run is None:
            return
        paths = await self._in_thread(run.close, self._recorder)
        self.files = {path.name: path for path in paths}
        await self._send({"type": "files", "files": [
            {"name": path.name, "bytes": path.stat().st_size, "url": f"download/{self.key}/{path.name}"}
            for path in paths]})

    # What goes out.

    def _hello(self) -> dict[str, Any]:
        limits = self._limits
        return {"type": "hello", "session": self.key,
                "trackers": [{"name": choice.name, "note": choice.note} for choice in self._choices.values()],
                "videos": list_videos(self._videos), "cameras": list(self._cameras),
                "limits": {"upload_bytes": limits.upload_bytes, "seconds": limits.seconds}}

    async def _tell_state(self) -> None:
        await self._send({"type": "state", "playing": self._playing, "tracking": self._run is not None,
                          "ended": self._over})

    async def _say(self, text: str, fatal: bool = False) -> None:
        try:
            await self._send({"type": "error", "text": text, "fatal": fatal})
        except (ConnectionError, asyncio.TimeoutError):
            if not fatal:
                raise

    async def _send(self, message: dict[str, Any] | bytes) -> None:
        """Send, or give the page up that does not read."""
        send = self._socket.send_bytes if isinstance(message, bytes) else self._socket.send_json
        await asyncio.wait_for(send(message), self._limits.stall_seconds)

    # On the session's threads.

    async def _in_thread(self, call: Callable[[], T], pool: ThreadPoolExecutor | None = None) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool or self._thread, call)

    def _let_go(self) -> None:
        """Wake the thread where it waits for a camera."""
        if self._source is not None and isinstance(self._source.rest, NewestFrames):
            self._source.rest.close()

    def _close_source(self) -> None:
        if self._source is not None and not isinstance(self._source.rest, NewestFrames):
            self._source.rest.close()

    def _run_folder(self) -> Path:
        return self.folder / f"run-{secrets.token_hex(4)}"

    def _remove_files(self) -> None:
        for path in self.files.values():
            shutil.rmtree(path.parent, ignore_errors=True)
        self.files = {}

    def _clean(self) -> None:
        if self._run is not None:
            self._run.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _spoken(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:g} seconds"
