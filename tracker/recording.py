"""Files that a tracked video leaves: the annotated video and the table of boxes, whole or marked as partial."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from datasets.opencv import cv2
from tracker.errors import OptionError
from tracker.track import Result

SUFFIXES = (".mp4", ".avi", ".mkv", ".mov")
# `object` comes last and is always there: how many there will be is not known when the first row is written.
COLUMNS = ("frame", "x", "y", "w", "h", "score", "lost", "ms", "object")
# Takes number, annotated image, results and seconds of a frame.
Write = Callable[[int, np.ndarray, Sequence[Result], float], None]


class UpdateTime:
    """The seconds a frame that are shown: of updates, smoothed, without the `init` before them."""

    def __init__(self) -> None:
        self._count, self._smoothed = 0, 0.0

    def add(self, seconds: float) -> float:
        """Take the time of the next frame, `init` being the first; what is to be shown with it."""
        self._smoothed = seconds if self._count < 2 else 0.9 * self._smoothed + 0.1 * seconds
        self._count += 1
        return self._smoothed


def _video_writer(files: ExitStack, path: Path, fps: float, size: tuple[int, int]) -> Write:
    """H.264, which browsers and phones play too; OpenCV's wheel has no encoder for it."""
    width, height = (side - side % 2 for side in size)  # colours have half the resolution
    try:
        video = files.enter_context(av.open(str(_partial(path)), "w"))
        # The fastest preset takes about a millisecond a frame, a third of the next better ones' time.
        rate = Fraction(fps).limit_denominator(1001)
        stream = video.add_stream("libx264", rate, {"preset": "ultrafast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        video.start_encoding()
    except (av.FFmpegError, OSError) as error:
        raise OptionError("--out", path, "cannot be written; check the folder, or choose another type") from error
    files.callback(lambda: video.mux(stream.encode()))  # what the encoder still holds

    def write(number: int, drawn: np.ndarray, results: Sequence[Result], seconds: float) -> None:
        picture = drawn if drawn.shape[1::-1] == size else cv2.resize(drawn, size)
        even = np.ascontiguousarray(picture[:height, :width])
        video.mux(stream.encode(av.VideoFrame.from_ndarray(even, "bgr24")))

    return write


def _table_writer(files: ExitStack, path: Path) -> Write:
    table = csv.writer(files.enter_context(_partial(path).open("w", newline="", encoding="utf-8")))
    table.writerow(COLUMNS)

    def write(number: int, drawn: np.ndarray, results: Sequence[Result], seconds: float) -> None:
        for place, result in enumerate(results, 1):
            box = (f"{value:.3f}" for value in result.box)
            table.writerow([number, *box, f"{result.score:.4f}", int(result.lost), f"{1000 * seconds:.3f}", place])

    return write


@contextmanager
def recording(video: Path | None, table: Path | None, fps: float, size: tuple[int, int]) -> Iterator[Write]:
    """Open annotated video and table under partial names and yield what writes a frame; whole files get their names.

    Args:
        video, table: where they are written, or None.
        fps: frames a second of the video.
        size: its width and height, pixels; the video lacks a last odd row or column. Frames of another size are scaled.

    Raises:
        OptionError: the video cannot be written.
    """
    writers: list[Write] = []
    paths = [path for path in (video, table) if path]
    try:
        with ExitStack() as files:
            if video:
                writers.append(_video_writer(files, video, fps, size))
            if table:
                writers.append(_table_writer(files, table))

            def write(number: int, drawn: np.ndarray, results: Sequence[Result], seconds: float) -> None:
                for writer in writers:
                    writer(number, drawn, results, seconds)

            yield write
    except BaseException:
        for path in filter(Path.exists, map(_partial, paths)):
            print(f"kept what was tracked so far: {path}", file=sys.stderr)
        raise
    for path in paths:
        os.replace(_partial(path), path)


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.stem}.partial{path.suffix}")
