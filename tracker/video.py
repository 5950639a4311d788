"""One target tracked through a video, an image folder, a camera or a stream, and what comes out of it."""

from __future__ import annotations

import csv
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets import images
from datasets.annotations import list_frames
from datasets.opencv import cv2
from tracker.errors import TrackerError
from tracker.online import Result, SiameseTracker

SUFFIXES = (".mp4", ".avi", ".mkv", ".mov")
COLUMNS = ("frame", "x", "y", "w", "h", "score", "lost", "ms")
DEFAULT_FPS = 25.0
# Takes number, annotated image, result and seconds of a frame.
Write = Callable[[int, np.ndarray, Result, float], None]
_GREEN, _RED, _BLACK = (80, 220, 60), (50, 60, 235), (0, 0, 0)


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


def open_source(name: str) -> Source:
    """Open a video file, a folder of images, a camera (its index) or a stream (its URL).

    Raises:
        TrackerError: it cannot be opened or has no readable frame.
        DataError: an image of a folder cannot be read, or there is none.
    """
    path = Path(name)
    if path.is_dir():
        paths = sorted(list_frames(path), key=lambda frame: _natural_order(frame.name))
        frames = (images.read(frame) for frame in paths)
        return Source(name, next(frames), frames, len(paths), DEFAULT_FPS, live=False)
    live = "://" in name or (name.isdigit() and not path.exists())
    if not live and not path.is_file():
        raise TrackerError(f"--source {name}: no such file or folder")
    # The decoders' own complaints would drown the one line that says what is wrong.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    capture = cv2.VideoCapture(int(name) if live and name.isdigit() else name)
    frames = _decode(capture)
    first = next(frames, None)
    if first is None:
        raise TrackerError(f"--source {name}: cannot be opened, or is no video with a readable frame")
    count, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    return Source(name, first, frames, int(count) if count > 0 and not live else None,
                  fps if 1 <= fps <= 240 else DEFAULT_FPS, live)


def track_video(
    tracker: SiameseTracker,
    source: Source,
    box: np.ndarray,
    video: Path | None = None,
    table: Path | None = None,
    show: Callable[[np.ndarray], bool] | None = None,
    on_frame: Callable[[], None] = lambda: None,
) -> int:
    """Track the target to the end of the source.

    Both files are written under `<stem>.partial<suffix>` and get their names when all is through. A cut
    video, a broken image or Ctrl-C leaves the partial ones, playable up to that frame; Ctrl-C on a live
    source is its end.

    Args:
        tracker: loaded tracker.
        source: opened source.
        box: target in the first frame, (4,) x, y, w, h, 0-based pixels.
        video: annotated copy, at the source's frame rate and size of its first frame.
        table: CSV with `COLUMNS`, a row a frame from 0; `ms` is the time of `init` or `update` alone.
        show: takes each annotated frame; returning False ends the tracking like the end of the source.
        on_frame: called after each frame.

    Returns:
        Number of frames.

    Raises:
        TrackerError: the box is not on the first frame, the source is cut, an output cannot be written.
        DataError: an image of the source cannot be read.
        KeyboardInterrupt: after Ctrl-C.
    """
    start = time.perf_counter()
    tracker.init(source.first, box)
    result, frame = Result(box, 1.0, False), source.first
    size = source.first.shape[1], source.first.shape[0]
    with _stop_on_interrupt() as stop, recording(video, table, source.fps, size) as write:
        seconds = smoothed = time.perf_counter() - start
        for number in range(sys.maxsize):
            drawn = draw(frame, result, 1 / smoothed)
            write(number, drawn, result, seconds)
            on_frame()
            if (show and not show(drawn)) or (stop.is_set() and source.live):
                break
            if stop.is_set():
                raise KeyboardInterrupt
            following = next(source.rest, None)
            if following is None:
                require_whole(source, number + 1)
                break
            frame = following
            start = time.perf_counter()
            result = tracker.update(frame)
            seconds = time.perf_counter() - start
            # The speed shown is that of updates, without the init before them.
            smoothed = seconds if number == 0 else 0.9 * smoothed + 0.1 * seconds
    return number + 1


def draw(frame: np.ndarray, result: Result, fps: float) -> np.ndarray:
    """A copy of the frame with box, score, state and speed; green while tracked, red while lost."""
    image = frame.copy()
    colour = _RED if result.lost else _GREEN
    scale = max(min(image.shape[:2]) / 300, 1)
    x, y, w, h = (round(float(value)) for value in result.box)
    cv2.rectangle(image, (x, y), (x + w, y + h), colour, round(2 * scale))
    text = f"{'LOST' if result.lost else 'tracked'}  score {result.score:.2f}  {fps:.0f} fps"
    font = cv2.FONT_HERSHEY_SIMPLEX, 0.45 * scale
    (width, height), baseline = cv2.getTextSize(text, *font, 1)
    # Readable on any frame: the text has its own ground.
    cv2.rectangle(image, (0, 0), (width + height, 2 * height + baseline), _BLACK, cv2.FILLED)
    cv2.putText(image, text, (height // 2, height + height // 2), *font, colour, 1, cv2.LINE_AA)
    return image


def _video_writer(files: ExitStack, path: Path, fps: float, size: tuple[int, int]) -> Write:
    writer = cv2.VideoWriter(str(_partial(path)), cv2.VideoWriter_fourcc(*"mp4v"), fps, size)
    if not writer.isOpened():
        raise TrackerError(f"--out {path}: cannot be written; check the folder, or choose another type")
    files.callback(writer.release)

    def write(number: int, drawn: np.ndarray, result: Result, seconds: float) -> None:
        # Frames of another size would be dropped without a word.
        same_size = drawn.shape[1::-1] == size
        writer.write(drawn if same_size else cv2.resize(drawn, size))

    return write


def _table_writer(files: ExitStack, path: Path) -> Write:
    table = csv.writer(files.enter_context(_partial(path).open("w", newline="", encoding="utf-8")))
    table.writerow(COLUMNS)

    def write(number: int, drawn: np.ndarray, result: Result, seconds: float) -> None:
        box = (f"{value:.3f}" for value in result.box)
        table.writerow([number, *box, f"{result.score:.4f}", int(result.lost), f"{1000 * seconds:.3f}"])

    return write


@contextmanager
def recording(video: Path | None, table: Path | None, fps: float, size: tuple[int, int]) -> Iterator[Write]:
    """Open annotated video and table under partial names and yield what writes a frame; whole files get their names.

    Args:
        video, table: where they are written, or None.
        fps: frames a second of the video.
        size: its width and height, pixels; frames of another size are scaled.

    Raises:
        TrackerError: the video cannot be written.
    """
    writers: list[Write] = []
    paths = [path for path in (video, table) if path]
    try:
        with ExitStack() as files:
            if video:
                writers.append(_video_writer(files, video, fps, size))
            if table:
                writers.append(_table_writer(files, table))

            def write(number: int, drawn: np.ndarray, result: Result, seconds: float) -> None:
                for writer in writers:
                    writer(number, drawn, result, seconds)

            yield write
    except BaseException:
        for path in filter(Path.exists, map(_partial, paths)):
            print(f"kept what was tracked so far: {path}", file=sys.stderr)
        raise
    for path in paths:
        os.replace(_partial(path), path)


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.stem}.partial{path.suffix}")


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
        TrackerError: it announced clearly more. Containers may be off by a frame or two, and some only estimate from
            the duration.
    """
    if source.count is not None and source.count - frames > max(2, 0.02 * source.count):
        raise TrackerError(
            f"--source {source.name}: cut or damaged, only {frames} of its {source.count} frames are readable"
        )


def _natural_order(name: str) -> list[tuple[bool, int, str]]:
    """Sort key by which 2.jpg comes before 10.jpg."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name)]
