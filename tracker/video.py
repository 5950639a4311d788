"""Objects tracked through a video, an image folder, a camera or a stream."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from datasets import images
from datasets.annotations import list_frames
from datasets.opencv import cv2
from tracker.errors import OptionError
from tracker.newest import NewestFrames
from tracker.overlay import Followed, draw
from tracker.recording import UpdateTime, recording
from tracker.several import SeveralTracker

DEFAULT_FPS = 25.0
STREAM_SECONDS = 10.0
"""A stream that is silent for so long, when it is opened or later, has ended."""

_WAIT_SECONDS = 0.1


@dataclass(frozen=True, eq=False)
class Source:
    """An opened source.

    Attributes:
        name: as the user gave it.
        first: its first frame, (H, W, 3) uint8 BGR.
        rest: the frames after it, decoded when asked for; can be iterated once.
        count: how many frames the source says it has, None if it does not know.
        fps: frames a second, `DEFAULT_FPS` if the source does not know.
        live: a camera or stream, which ends when the user ends it.
    """

    name: str
    first: np.ndarray
    rest: Iterator[np.ndarray]
    count: int | None
    fps: float
    live: bool


class Screen(Protocol):
    """Where frames are shown as they are tracked."""

    def attend(self, frame: np.ndarray, objects: Sequence[Followed], seconds: float,
               stopped: Callable[[], bool]) -> tuple[dict[int, np.ndarray], bool]:
        """Show a frame, for as long as it is wanted or until `stopped`.

        Returns:
            Boxes that were drawn on it, by the numbers of their objects, where the first number not in use makes a new
            object; and whether the screen was closed.
        """


def is_live(name: str) -> bool:
    """Whether a source is a camera (its index) or a stream (its URL)."""
    return "://" in name or (_is_index(name) and not Path(name).exists())


def shown(name: str) -> str:
    """A source's name as it may be printed: of a stream's URL without user and password."""
    return re.sub(r"(?<=://).*@", "…@", name)


def require_source(name: str) -> None:
    """Raise an OptionError if `name` is no camera or stream, and no file or folder that exists."""
    if not is_live(name) and not Path(name).exists():
        raise OptionError("--source", shown(name), "no such file or folder")


def open_source(name: str) -> Source:
    """Open a video file, a folder of images, a camera (its index) or a stream (its URL).

    Raises:
        OptionError: it cannot be opened or has no readable frame.
        DataError: an image of a folder cannot be read, or there is none.
    """
    path = Path(name)
    if path.is_dir():
        paths = sorted(list_frames(path), key=lambda frame: _natural_order(frame.name))
        frames = (images.read(frame) for frame in paths)
        return Source(name, next(frames), frames, len(paths), DEFAULT_FPS, live=False)
    require_source(name)
    live = is_live(name)
    # The decoders' own complaints would drown the one line that says what is wrong.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    capture = _capture(name, live)
    frames = _decode(capture)
    first = next(frames, None)
    if first is None:
        raise OptionError("--source", shown(name), "cannot be opened, or is no video with a readable frame")
    count, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    return Source(name, first, frames, int(count) if count > 0 and not live else None,
                  fps if 1 <= fps <= 240 else DEFAULT_FPS, live)


def track_video(
    tracker: SeveralTracker,
    source: Source,
    boxes: Sequence[np.ndarray],
    video: Path | None = None,
    table: Path | None = None,
    screen: Screen | None = None,
    on_frame: Callable[[], None] = lambda: None,
) -> int:
    """Track objects to the end of the source.

    Both files are written under `<stem>.partial<suffix>` and get their names when all is through. A cut
    video, a broken image or Ctrl-C leaves the partial ones, playable up to that frame; Ctrl-C on a live
    source is its end, and so is on any source that the screen is closed.

    Args:
        tracker: with a loaded network.
        source: opened source.
        boxes: objects in the first frame, (4,) x, y, w, h each, 0-based pixels.
        video: annotated copy, at the source's frame rate and size of its first frame.
        table: CSV with `COLUMNS`, a row a frame and object from frame 0; `ms` is the time of `init` or `update` alone,
            which all objects share.
        screen: shows each frame, and objects may be selected there.
        on_frame: called after each frame.

    Returns:
        Number of frames.

    Raises:
        TrackerError: a box is not on the first frame, the source is cut, an output cannot be written.
        DataError: an image of the source cannot be read.
        KeyboardInterrupt: after Ctrl-C.
    """
    start = time.perf_counter()
    tracker.init(source.first, boxes)
    objects, frame = [Followed(box) for box in boxes], source.first
    size = source.first.shape[1], source.first.shape[0]
    with _stop_on_interrupt() as stop, recording(video, table, source.fps, size) as write:
        seconds, shown = time.perf_counter() - start, UpdateTime()
        smoothed = shown.add(seconds)
        for number in range(sys.maxsize):
            closed = False
            if screen:
                selected, closed = screen.attend(frame, objects, smoothed, stop.is_set)
                for place, box in sorted(selected.items()):
                    tracker.select(frame, place, box)
                    objects[place:place + 1] = [Followed(box)]
            write(number, draw(frame, objects, smoothed), [each.result for each in objects], seconds)
            on_frame()
            if closed or (stop.is_set() and source.live):
                break
            if stop.is_set():
                raise KeyboardInterrupt
            following = _following(source, stop.is_set)
            if following is None:
                require_whole(source, number + 1)
                break
            frame = following
            start = time.perf_counter()
            results = tracker.update(frame)
            seconds = time.perf_counter() - start
            for each, result in zip(objects, results, strict=True):
                each.see(result)
            smoothed = shown.add(seconds)
    return number + 1


@contextmanager
def _stop_on_interrupt() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, so that no frame is cut in half; the second interrupts at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)


def _capture(name: str, live: bool) -> cv2.VideoCapture:
    if live and _is_index(name):
        return cv2.VideoCapture(int(name))
    if live and cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG):
        milliseconds = int(1000 * STREAM_SECONDS)
        return cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds,
                                                       cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds])
    return cv2.VideoCapture(name)


def _is_index(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _following(source: Source, stopped: Callable[[], bool]) -> np.ndarray | None:
    """The next frame, or None at the end; a live one is not waited for once it is stopped."""
    if not isinstance(source.rest, NewestFrames):
        return next(source.rest, None)
    while not stopped():
        frame = source.rest.take(_WAIT_SECONDS)
        if frame is not None or source.rest.ended:
            return frame
    return None


def _decode(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    try:
        while True:
            found, frame = capture.read()
            if not found:
                return
            yield frame
    finally:
        capture.release()


def require_whole(source: Source, frames: int) -> None:
    """Check that a source which has ended after so many frames was whole.

    Raises:
        OptionError: it announced clearly more. Containers may be off by a frame or two, and some only estimate from
            the duration.
    """
    if source.count is not None and source.count - frames > max(2, 0.02 * source.count):
        raise OptionError("--source", shown(source.name),
                          f"cut or damaged, only {frames} of its {source.count} frames are readable")


def _natural_order(name: str) -> list[tuple[bool, int, str]]:
    """Sort key by which 2.jpg comes before 10.jpg."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name)]
