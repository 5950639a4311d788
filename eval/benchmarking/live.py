"""What `eval/benchmark_live.py` does: a server in a process of its own, and pages that stream to it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import count, product
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import numpy as np

from b2nn.packed.file import is_packed
from datasets.files import write_text
from datasets.opencv import cv2
from datasets.progress import progress_bars
from eval.benchmarking.footage import generated_footage
from eval.benchmarking.lineup import distinct_names
from eval.printing import Table, number, print_tables
from tracker.errors import TrackerError
from tracker.web.limits import Limits
from tracker.web.protocol import pack

_FRAMES = 60
_QUALITY = 85  # of the JPEGs, percent; browsers choose about this
_WARM = 5  # answers of each page that do not count


@dataclass(frozen=True)
class Options:
    """What the user asked for; `eval/benchmark_live.py --help` says what the fields mean."""

    checkpoints: list[Path]
    pages: list[int]
    seconds: float
    json: Path | None

    def __post_init__(self) -> None:
        most = Limits().sessions
        for pages in self.pages:
            if not 1 <= pages <= most:
                raise TrackerError(f"--pages {pages}: the server takes 1 to {most}")
        if self.seconds <= 0:
            raise TrackerError(f"--seconds {self.seconds:g}: must be more than 0")
        for path in self.checkpoints:
            if not path.is_file():
                raise TrackerError(f"--checkpoint {path}: no such file")
        if self.json and not self.json.resolve().parent.is_dir():
            raise TrackerError(f"{self.json}: there is no folder {self.json.parent}")


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        tracker, packed: the checkpoint, and whether its network was packed.
        pages: that streamed at once.
        update_ms: median time of `update`, as the server tells it.
        added_ms, added_p95_ms: what a page waits beyond that, median and 95th percentile.
        frames_per_second: of all pages together.
        megabytes, megabytes_after: memory of the server once every page had five answers, and in the end; NaN where
            the system has no /proc.
    """

    tracker: str
    packed: bool
    pages: int
    update_ms: float
    added_ms: float
    added_p95_ms: float
    frames_per_second: float
    megabytes: float
    megabytes_after: float


def run_live(options: Options) -> None:
    """Measure every tracker with every number of pages, then print and write the rows.

    Raises:
        TrackerError: the server does not start, or refuses a frame.
    """
    footage = generated_footage(_FRAMES)
    quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    there = [cv2.imencode(".jpg", frame, quality)[1].tobytes() for frame in footage.frames]
    jpegs = there + there[-2:0:-1]  # to the end and back, so that the target never jumps
    names = dict(zip(options.checkpoints, distinct_names(options.checkpoints), strict=True))
    forms = [(path, packed) for path in options.checkpoints for packed in (False, True)
             if packed or not is_packed(path)]
    rows: list[Row] = []
    with progress_bars() as progress:
        for (path, packed), pages in product(forms, options.pages):
            with _server(path, packed) as (address, process):  # a fresh one, so that no page of before is in its memory
                seen = asyncio.run(_stream(address, process.pid, jpegs, footage.boxes[0].tolist(), pages,
                                           options.seconds))
            rows.append(seen.row(names[path], packed, pages))
            progress("streaming", len(rows), len(forms) * len(options.pages))
    print_tables([_table(rows)], [])
    if options.json:
        write_text(options.json, json.dumps([asdict(row) for row in rows], indent=2) + "\n")


class _Seen(NamedTuple):
    """What all pages saw: milliseconds of each frame, seconds of them all, the server's memory before and after."""

    waits: np.ndarray
    updates: np.ndarray
    seconds: float
    megabytes: float
    megabytes_after: float

    def row(self, tracker: str, packed: bool, pages: int) -> Row:
        added = self.waits - self.updates
        return Row(tracker, packed, pages, float(np.median(self.updates)), float(np.median(added)),
                   float(np.percentile(added, 95)), len(added) / self.seconds, self.megabytes, self.megabytes_after)


@contextmanager
def _server(checkpoint: Path, packed: bool) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server with one tracker; its address and process."""
    command = [sys.executable, "-m", "b2track", "serve", "--port", "0", "--checkpoint", str(checkpoint.resolve()),
               *([] if is_packed(checkpoint) else ["--packed" if packed else "--no-packed"])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout and process.stderr
    try:
        address = process.stdout.readline().strip()
        if not address:
            raise TrackerError(f"the server did not start: {process.stderr.read().strip()}")
        yield address, process
    finally:
        process.terminate()
        process.communicate(timeout=30)


async def _stream(address: str, server: int, jpegs: Sequence[bytes], box: list[float], pages: int,
                  seconds: float) -> _Seen:
    """Stream to a server, which is this process, with so many pages at once."""
    waits: list[float] = []
    updates: list[float] = []
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(aiohttp.ClientSession())
        sockets = [await stack.enter_async_context(client.ws_connect(
            f"{address}session", origin=address.rstrip("/"), max_msg_size=0)) for _ in range(pages)]

        async def warm(socket: aiohttp.ClientWebSocketResponse) -> None:
            await socket.send_json({"type": "open", "kind": "device"})
            await _answer(socket, {"frame": 0, "box": box}, jpegs[0])
            for frame in range(1, _WARM):
                await _answer(socket, {"frame": frame}, jpegs[frame])

        async def go_on(socket: aiohttp.ClientWebSocketResponse) -> None:
            for frame in count(_WARM):
                before = time.perf_counter()
                if before > start + seconds:
                    break
                update = await _answer(socket, {"frame": frame}, jpegs[frame % len(jpegs)])
                waits.append(1000 * (time.perf_counter() - before))
                updates.append(update)

        await asyncio.gather(*map(warm, sockets))
        megabytes, start = _megabytes(server), time.perf_counter()
        await asyncio.gather(*map(go_on, sockets))
        return _Seen(np.array(waits), np.array(updates), time.perf_counter() - start, megabytes, _megabytes(server))


async def _answer(socket: aiohttp.ClientWebSocketResponse, header: dict[str, Any], jpeg: bytes) -> float:
    """Send a frame and wait for its boxes; the milliseconds of `update` that are told with them."""
    await socket.send_bytes(pack(header, jpeg))
    while True:
        message = json.loads((await socket.receive()).data)
        if message["type"] == "error":
            raise TrackerError(f"the server refused a frame: {message['text']}")
        if message["type"] == "result":
            return float(message["lanes"][0]["ms"])


def _megabytes(process: int) -> float:
    """Resident memory of a process."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    import resource

    return pages * resource.getpagesize() / 1e6


def _table(rows: Sequence[Row]) -> Table:
    head = ["tracker", "network", "pages", "update ms", "added ms", "95 %", "frames/s of all", "MB before", "after"]
    body = [[row.tracker, "packed" if row.packed else "torch", str(row.pages), number(row.update_ms, ".1f"),
             number(row.added_ms, ".1f"), number(row.added_p95_ms, ".1f"), number(row.frames_per_second, ".0f"),
             number(row.megabytes, ".0f"), number(row.megabytes_after, ".0f")] for row in rows]
    return Table("Streaming to the demo in a browser", head, body, names=2)
