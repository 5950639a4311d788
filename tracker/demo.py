"""The demo: from what the user typed to a tracked video, on the screen or in files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from datasets.opencv import cv2
from tracker.device import require_device
from tracker.errors import TrackerError
from tracker.online import load_tracker
from tracker.packed import PackedTrackerNetwork, choose_packed, how
from tracker.ready import READY_MODEL
from tracker.video import SUFFIXES, open_source, track_video

WINDOW = "b2track: q ends"
_KEYS_TO_END = (ord("q"), 27)


@dataclass(frozen=True)
class DemoOptions:
    """Options of `tools/demo.py`, which explains them."""

    source: str
    init_box: str | None
    out: Path | None
    csv: Path | None
    checkpoint: Path = READY_MODEL
    device: str = "cpu"
    display: bool = True
    overwrite: bool = False
    packed: bool | None = None


def run_demo(options: DemoOptions) -> int:
    """Track the source to its end, in a window where there is a display; returns the number of frames.

    Raises:
        TrackerError, DataError, KeyboardInterrupt: as `tracker.video.track_video`; bad options before
            anything is opened or written.
    """
    display = options.display and has_display()
    box = parse_box(options.init_box) if options.init_box else None
    for option, path in (("--out", options.out), ("--csv", options.csv)):
        if path:
            check_output(option, path, options.source, options.overwrite)
    if not display and box is None:
        raise TrackerError("--init-box: needed, because there is no display to draw it on")
    if not display and not options.out and not options.csv:
        raise TrackerError("--out: needed (or --csv), because there is no display to show the result on")
    require_device(options.device)
    packed = choose_packed(options.packed, options.device)
    tracker = load_tracker(options.checkpoint, options.device, packed)
    source = open_source(options.source)
    if box is None:
        box = _draw_box(source.first)

    print(how(isinstance(tracker.network, PackedTrackerNetwork), options.device), file=sys.stderr)
    show = _show if display else None
    with _frame_bar(source.count) as on_frame:
        return track_video(tracker, source, box, options.out, options.csv, show, on_frame)


def has_display() -> bool:
    """Whether a window can be opened: OpenCV was built with one, and on Linux a display server is named."""
    if not cv2.currentUIFramework():
        return False
    named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(named) or not sys.platform.startswith("linux")


def parse_box(text: str) -> np.ndarray:
    """Read `x,y,w,h` as (4,) float64.

    Raises:
        TrackerError: not four finite numbers.
    """
    try:
        box = np.array([float(part) for part in text.split(",")])
    except ValueError:
        box = np.empty(0)
    if box.shape != (4,) or not np.isfinite(box).all():
        raise TrackerError(f"--init-box {text}: expected x,y,w,h in pixels, such as 312,143,110,102")
    return box


def check_output(option: str, path: Path, source: str, overwrite: bool) -> None:
    """Refuse an output before anything is tracked.

    Raises:
        TrackerError: the file is the source, exists and may not be replaced, lies in no folder, or is of no
            known video type.
    """
    if path.exists() and Path(source).exists() and path.samefile(source):
        raise TrackerError(f"{option} {path}: is the source itself; choose another name")
    if path.exists() and not overwrite:
        raise TrackerError(f"{option} {path}: exists already; pass --overwrite to replace it")
    if not path.parent.is_dir():
        raise TrackerError(f"{option} {path}: no such folder {path.parent}")
    if option == "--out" and path.suffix.lower() not in SUFFIXES:
        raise TrackerError(f"{option} {path}: the name must end with one of {', '.join(SUFFIXES)}")


def _draw_box(frame: np.ndarray) -> np.ndarray:
    box = np.array(cv2.selectROI(WINDOW, frame, showCrosshair=False), dtype=np.float64)
    if not box[2:].all():
        raise TrackerError("--init-box: none given and none drawn in the window")
    return box


def _show(frame: np.ndarray) -> bool:
    cv2.imshow(WINDOW, frame)
    return cv2.waitKey(1) & 0xFF not in _KEYS_TO_END


@contextmanager
def _frame_bar(count: int | None) -> Iterator[Callable[[], None]]:
    """A bar over frames on stderr; yields what to call after each."""
    columns = (TextColumn("frames"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True, quiet=not sys.stderr.isatty())
    # Transient, so that an error stays the one line it is.
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("frames", total=count)
        yield lambda: bar.advance(task)
