"""A server with trackers that need no training, a moving target whose boxes are known, and a plain client."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="the demo in a browser needs the extra `web`")

import aiohttp

from datasets import got10k
from datasets.opencv import cv2
from datasets.synthetic import SyntheticOptions, ensure
from datasets.synthetic_script import Difficulty
from tracker.errors import TrackerError
from tracker.online import Result
from tracker.web import protocol
from tracker.web.limits import Limits
from tracker.web.server import Server, listen
from tracker.web.trackers import Choice


class Matcher:
    """Finds the place near the last one that looks most like the first box; the same every time."""

    def __init__(self, reach: int = 48) -> None:
        self.reach = reach

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        x, y, w, h = (round(float(value)) for value in box)
        if x >= frame.shape[1] or y >= frame.shape[0]:
            raise TrackerError("the box is outside the frame")
        self.box = np.array([max(x, 0), max(y, 0), w, h])
        self.template = self._cut(frame, self.box)

    def update(self, frame: np.ndarray) -> Result:
        x, y, w, h = self.box
        left, top = max(x - self.reach, 0), max(y - self.reach, 0)
        place = frame[top:y + h + self.reach, left:x + w + self.reach]
        if min(np.subtract(place.shape[:2], self.template.shape[:2])) < 0:
            return Result(self.box.astype(float), 0.0, True)
        _, score, _, (dx, dy) = cv2.minMaxLoc(cv2.matchTemplate(place, self.template, cv2.TM_CCOEFF_NORMED))
        lost = score < 0.4
        if not lost:
            self.box = np.array([left + dx, top + dy, w, h])
            seen = self._cut(frame, self.box)
            if seen.shape == self.template.shape:
                self.template = cv2.addWeighted(self.template, 0.7, seen, 0.3, 0)
        return Result(self.box.astype(float), max(float(score), 0.0), lost)

    @staticmethod
    def _cut(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
        x, y, w, h = box
        return frame[y:y + h, x:x + w].copy()


class Blinker(Matcher):
    """Loses the target in every third ten of frames, and leaves its box where it was."""

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        super().init(frame, box)
        self.frames = 0

    def update(self, frame: np.ndarray) -> Result:
        before = self.box.astype(float)
        self.frames += 1
        result = super().update(frame)
        return Result(before, 0.05, True) if self.frames // 10 % 3 == 2 else result


CHOICES = (Choice("matcher", "template matching", Matcher), Choice("blinker", "loses it at times", Blinker),
           Choice("runs/" + "with-a-long-name/" * 5, "", Matcher))


@pytest.fixture(scope="session")
def sequence(tmp_path_factory) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames (240, 320, 3) of a target that moves, first forward, then back, and its boxes (N, 4)."""
    root = tmp_path_factory.mktemp("generated")
    easy = Difficulty(speed=0.4, distractors=0, occlusion=0, partial=0, absence=0)
    ensure(root, SyntheticOptions(train_sequences=0, val_sequences=12, val_frames=40, seed=3, difficulty=easy))
    one = got10k.load(root, "val")[-1]  # in which a matcher keeps to the target
    frames = [cv2.imread(str(path)) for path in one.frames]
    return frames + frames[-2:0:-1], np.concatenate((one.boxes, one.boxes[-2:0:-1]))


@pytest.fixture(scope="session")
def videos(sequence, tmp_path_factory) -> Path:
    """A folder with that sequence as a video, ``toys/target.avi``."""
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "toys/target.avi", sequence[0])
    return folder


def write_video(path: Path, frames: list[np.ndarray], fps: float = 30) -> Path:
    """A MJPG video of the frames."""
    path.parent.mkdir(exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, frames[0].shape[1::-1])
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


@contextmanager
def running(server: Server, host: str = "127.0.0.1") -> Iterator[str]:
    """The server on its own thread; yields the address of its page."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner, address = asyncio.run_coroutine_threadsafe(listen(server, host, 0), loop).result(20)
    try:
        yield address
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


@pytest.fixture
def serve(tmp_path, videos):
    """Starts a server on request: the address, and the server itself."""
    from contextlib import ExitStack

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with ExitStack() as stack:
        def start(limits: Limits | None = None, **options) -> tuple[str, Server]:
            server = Server(CHOICES, scratch, **{"videos": videos, "limits": limits, **options})
            return stack.enter_context(running(server)), server

        yield start


class Page:
    """A client that speaks the protocol without a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.pictures: list[dict] = []

    async def send(self, kind: str, /, **fields) -> None:
        await self.socket.send_str(json.dumps({"type": kind, **fields}))

    async def push(self, number: int, jpeg: bytes, **fields) -> None:
        await self.socket.send_bytes(protocol.pack({"frame": number, **fields}, jpeg))

    async def next(self, timeout: float = 20) -> dict | None:
        """The next message, without the picture's bytes; None when the server has closed."""
        message = await self.socket.receive(timeout)
        if message.type is aiohttp.WSMsgType.TEXT:
            return json.loads(message.data)
        if message.type is not aiohttp.WSMsgType.BINARY:
            return None
        length = int.from_bytes(message.data[:4], "little")
        header = json.loads(message.data[4:4 + length])
        return header | {"jpeg": message.data[4 + length:]}

    async def until(self, kind: str, /, acknowledge: bool = True, **fields) -> dict:
        """The next message of that type with those fields; pictures on the way are kept and acknowledged."""
        while True:
            message = await self.next()
            assert message is not None, f"closed while waiting for {kind}"
            if message["type"] == "picture":
                self.pictures.append(message)
                if acknowledge:
                    await self.send("shown", frame=message["frame"])
            elif message["type"] == "error" and kind != "error":
                raise AssertionError(message["text"])
            if message["type"] == kind and fields.items() <= message.items():
                return message


def visit(address: str, *visitors, origin: str | None = None) -> None:
    """Connect a page for each visitor, an async function of pages, all at once."""
    async def one(visitor) -> None:
        async with aiohttp.ClientSession() as client, client.ws_connect(
            address + "session", origin=origin or address.rstrip("/"), max_msg_size=0) as socket:
            await visitor(Page(socket))

    async def all_of_them() -> None:
        await asyncio.gather(*map(one, visitors))

    asyncio.run(all_of_them())


def jpeg(frame: np.ndarray) -> bytes:
    """A frame as JPEG."""
    return cv2.imencode(".jpg", frame)[1].tobytes()


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Until something holds, which must not take longer."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
