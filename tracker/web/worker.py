"""What is done about a page's messages: sources are opened and played, targets tracked, results told.

All that computes or blocks runs on two threads of the worker's own, one of which writes recorded files. What is slow to
answer, a camera or stream, is opened on a thread that nobody waits for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from datasets.errors import DataError
from tracker.errors import TrackerError
from tracker.video import Source, require_whole
from tracker.web import protocol
from tracker.web.inbox import Inbox
from tracker.web.limits import Limits, spoken
from tracker.web.offers import Offers, for_the_page
from tracker.web.outgoing import Outgoing
from tracker.web.player import Player
from tracker.web.run import Run
from tracker.web.shelf import Shelf
from tracker.web.trackers import Tracker
from tracker.web.videos import open_video

_WAIT_SECONDS = 0.02
T = TypeVar("T")


class Worker:
    """What a page has open, and what is tracked there.

    Args:
        inbox: messages of the page.
        out: takes those to it.
        offers: what may be chosen from.
        limits: bounds.
        shelf: takes the files of finished runs.
        address: where the page can download them.

    Attributes:
        upload: name and path of the last uploaded video.
    """

    def __init__(self, inbox: Inbox, out: Outgoing, offers: Offers, limits: Limits, shelf: Shelf,
                 address: str) -> None:
        self.upload: tuple[str, Path] | None = None
        self._inbox, self._out, self._offers, self._limits = inbox, out, offers, limits
        self._shelf, self._address = shelf, address
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="worker")
        self._recorder = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._recording: asyncio.Future[None] | None = None
        self._told_full = False
        self._chosen = offers.preset()
        self._opening: tuple[str, asyncio.Future[Source]] | None = None
        self._device = False
        self._player: Player | None = None
        self._run: Run | None = None

    async def work(self) -> None:
        """Do what the page asks for, for ever."""
        while True:
            await self._inbox.wake.wait()
            try:
                if command := self._inbox.command():
                    await self._obey(command)
                elif frame := self._inbox.frame():
                    await self._device_frame(frame)
                elif self._opening and self._opening[1].done():
                    await self._answered(*self._opening)
                elif self._player and self._player.playing:
                    await self._next(self._player)
                else:
                    self._inbox.wake.clear()
            except protocol.ProtocolError:
                raise
            except (TrackerError, DataError) as error:
                await self._out.say(for_the_page(error))
                await self._tell_state()

    async def _obey(self, message: protocol.Message) -> None:
        if isinstance(message, protocol.Open):
            await self._open(message)
        elif isinstance(message, protocol.Choose):
            await self._choose(message.names)
        elif isinstance(message, protocol.Select):
            await self._select(message.box)
        elif isinstance(message, protocol.Play):
            if self._player:
                self._player.play()
            await self._tell_state()
        elif isinstance(message, protocol.Pause):
            await self._pause()
        elif isinstance(message, protocol.Stop):
            await self._end_run()
            await self._pause()

    async def _open(self, wanted: protocol.Open) -> None:
        self._give_up_opening()
        await self._end_run()
        await self._in_thread(self._close_source)
        if wanted.kind == "device":
            self._device = True
            await self._out.send({"type": "source", "kind": "device", "live": True})
        elif wanted.kind == "camera":
            answer = asyncio.wrap_future(self._offers.openings.begin(self, self._offers.camera(wanted.name)))
            answer.add_done_callback(lambda _: self._inbox.wake.set())
            self._opening = wanted.name, answer
            await self._out.send({"type": "opening", "name": wanted.name})
        else:
            await self._opened(wanted.kind, await self._in_thread(partial(self._file, wanted)))

    def _file(self, wanted: protocol.Open) -> Source:
        if wanted.kind == "video":
            return self._offers.video(wanted.name, self._limits)
        if self.upload is None:
            raise TrackerError("no video was uploaded")
        name, path = self.upload
        return open_video(path, name, self._limits, self._limits.seconds)

    async def _answered(self, name: str, answer: asyncio.Future[Source]) -> None:
        """A camera was opened, or could not be."""
        self._opening = None
        try:
            source = replace(answer.result(), name=name)
        except (TrackerError, DataError) as error:
            raise TrackerError(f"{name}: it cannot be reached, or sends no picture") from error
        await self._opened("camera", source)

    async def _opened(self, kind: str, source: Source) -> None:
        self._player = await self._in_thread(partial(Player, source, self._limits))
        height, width = source.first.shape[:2]
        await self._out.send({"type": "source", "kind": kind, "name": source.name, "width": width, "height": height,
                              "count": source.count, "fps": source.fps, "live": source.live})
        await self._pause()

    async def _choose(self, names: tuple[str, ...]) -> None:
        """Use these from the next box on; those that do not load leave the others in use."""
        try:
            for name in names:
                await self._in_thread(partial(self._offers.tracker, name))
            self._chosen = names
        finally:
            await self._out.send({"type": "chosen", "names": self._chosen})

    async def _select(self, box: np.ndarray) -> None:
        player = self._player
        if player is None or player.over:
            raise TrackerError("there is no video to go on with; choose one, or restart it")
        await self._begin(player.frame, box, player.source.name, None if player.source.live else player.source.fps)
        await self._show(player, force=True)
        player.play()
        await self._tell_state()

    async def _begin(self, frame: np.ndarray, box: np.ndarray, source: str, fps: float | None) -> None:
        """Track what is in the box; a run of the same trackers goes on with it, in the same recording."""
        names = _named(self._chosen)
        if self._run is None or [lane.name for lane in self._run.lanes] != list(names):
            run = await self._in_thread(partial(self._new_run, names, source, fps))
            await self._in_thread(partial(run.begin, frame, box))
            await self._end_run()
            self._run, self._told_full = run, False
        else:
            await self._in_thread(partial(self._run.begin, frame, box))

    def _new_run(self, names: dict[str, str], source: str, fps: float | None) -> Run:
        trackers: dict[str, Tracker] = {name: self._offers.tracker(choice) for name, choice in names.items()}
        return Run(trackers, self._shelf.stems(source, list(names)), fps, self._limits.seconds)

    async def _device_frame(self, message: protocol.Frame) -> None:
        if not self._device:
            return  # sent before the page heard that another source is open
        limits = self._limits
        frame = await self._in_thread(partial(protocol.decode, message.jpeg, limits.least_side, limits.frame_side))
        if message.box is not None:
            await self._record(await self._last())
            await self._begin(frame, message.box, "camera", None)
        else:
            await self._follow(frame)
        await self._out.send({"type": "result", "frame": message.number, "seen": self._inbox.seen, **self._found()})

    async def _next(self, player: Player) -> None:
        """The next frame of a source of the server, when its time has come."""
        if wait := player.wait():
            await asyncio.sleep(min(wait, _WAIT_SECONDS))
            return
        try:
            if await self._in_thread(player.advance):
                await self._follow(player.frame)
                await self._show(player)
        finally:
            if player.over:
                await self._show(player, force=True)
                await self._end_run()
        if player.over:
            await self._tell_state()
            require_whole(player.source, player.number + 1)

    async def _follow(self, frame: np.ndarray) -> None:
        """Track in a frame, and only then write the last one: beside a recorder the first tracker would seem slow."""
        if self._run is not None:
            write = await self._last()
            await self._in_thread(partial(self._run.follow, frame))
            await self._record(write)

    async def _last(self) -> Callable[[], None]:
        """What writes the last frame, as soon as the one before is written; so none pile up."""
        before, self._recording = self._recording, None
        if before is not None:
            await before
        return self._run.recording() if self._run else lambda: None

    async def _record(self, write: Callable[[], None]) -> None:
        """Write a frame while the next one is read."""
        self._recording = asyncio.get_running_loop().run_in_executor(self._recorder, write)
        if self._run and self._run.full and not self._told_full:
            self._told_full = True
            await self._out.note(f"only the first {spoken(self._limits.seconds)} are recorded for downloading")

    async def _show(self, player: Player, force: bool = False) -> None:
        """Send the held frame, unless the page has not shown the last ones yet."""
        if len(self._inbox.unshown) >= self._limits.in_flight and not force:
            return
        frame = player.frame
        jpeg = await self._in_thread(partial(protocol.encode, frame, self._limits.picture_side))
        self._inbox.unshown.add(player.number)
        await self._out.send(protocol.pack({"type": "picture", "frame": player.number, "width": frame.shape[1],
                                            "height": frame.shape[0], **self._found()}, jpeg))

    async def _pause(self) -> None:
        if self._player:
            self._player.playing = False
            await self._show(self._player, force=True)
        await self._tell_state()

    async def _end_run(self) -> None:
        """Close the run, if there is one, and offer its files."""
        run, self._run = self._run, None
        if run is None:
            return
        try:
            self._shelf.add(await self._in_thread(run.close, self._recorder))
        finally:
            await self._out.send({"type": "files", "files": self._shelf.describe(self._address)})

    async def _tell_state(self) -> None:
        player = self._player
        await self._out.send({"type": "state", "playing": bool(player and player.playing),
                              "tracking": self._run is not None, "ended": bool(player and player.over)})

    def _found(self) -> dict[str, Any]:
        run = self._run
        return {"first": bool(run and run.first), "lanes": run.describe() if run else []}

    # On the session's threads.

    async def _in_thread(self, call: Callable[[], T], pool: ThreadPoolExecutor | None = None) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool or self._thread, call)

    def _close_source(self) -> None:
        if self._player:
            self._player.close()
        self._player, self._device = None, False
        self._inbox.unshown.clear()

    async def close(self) -> None:
        """Release what is open and end the recording, whatever fails on the way."""
        self._give_up_opening()
        for pool, last in ((self._thread, self._close_source), (self._recorder, self._close_run)):
            try:
                await self._in_thread(last, pool)
            except Exception:
                logging.getLogger(__name__).exception("a session left something behind")
            finally:
                pool.shutdown(wait=False)

    def _close_run(self) -> None:
        if self._run is not None:
            self._run.close()

    def _give_up_opening(self) -> None:
        if self._opening:
            self._opening[1].cancel()
        self._opening = None


def _named(choices: tuple[str, ...]) -> dict[str, str]:
    """Choices by the names that they have in a run; the second of the same name has a mark."""
    return {name if name not in choices[:place] else f"{name} (2)": name for place, name in enumerate(choices)}
