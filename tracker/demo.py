"""The demo: from what the user typed to a tracked video, on the screen or in files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from datasets.opencv import cv2
from tracker.device import require_device
from tracker.errors import TrackerError
from tracker.form import choose_packed, form_of, how
from tracker.online import load_tracker
from tracker.opening import opening
from tracker.ready import READY_MODEL
from tracker.recording import SUFFIXES
from tracker.several import SeveralTracker
from tracker.video import Source, is_live, open_source, require_source, shown, track_video
from tracker.window import Window


@dataclass(frozen=True)
class DemoOptions:
    """Options of `tools/demo.py`, which explains them."""

    source: str
    init_boxes: Sequence[str]
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
    require_source(options.source)
    if not options.checkpoint.exists():
        raise TrackerError(f"--checkpoint {options.checkpoint}: no such file")
    display = options.display and has_display()
    boxes = [parse_box(text) for text in options.init_boxes]
    for option, path in (("--out", options.out), ("--csv", options.csv)):
        if path:
            check_output(option, path, options.source, options.overwrite)
    if not display and not boxes:
        raise TrackerError("--init-box: needed, because there is no display to draw it on")
    if not display and not options.out and not options.csv:
        raise TrackerError("--out: needed (or --csv), because there is no display to show the result on")
    require_device(options.device)
    packed = choose_packed(options.packed, options.device, [options.checkpoint])
    tracker = load_tracker(options.checkpoint, options.device, packed)
    with _opened(options.source) as source, ExitStack() as screen:
        window = screen.enter_context(Window(source, (options.out or Path()).parent)) if display else None
        if window and not boxes:
            first, boxes = window.choose()
            source = replace(source, first=first)
        print(how(form_of(options.checkpoint, packed), options.device), file=sys.stderr)
        with _frame_bar(source.count) as on_frame:
            return track_video(SeveralTracker(tracker), source, boxes, options.out, options.csv, window, on_frame)


@contextmanager
def _opened(name: str) -> Iterator[Source]:
    """The source; a live one never lags, and Ctrl-C need not wait for it to answer."""
    if not is_live(name):
        yield open_source(name)
        return
    print(f"connecting to {shown(name)}", file=sys.stderr)
    source = opening(name)
    try:
        yield source.result()
    finally:
        if not source.cancel() and not source.exception():
            source.result().rest.close()


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


@contextmanager
def _frame_bar(count: int | None) -> Iterator[Callable[[], None]]:
    """A bar over frames on stderr; yields what to call after each."""
    columns = (TextColumn("frames"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True, quiet=not sys.stderr.isatty())
    # Transient, so that an error stays the one line it is.
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("frames", total=count)
        yield lambda: bar.advance(task)
