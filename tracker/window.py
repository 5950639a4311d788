"""The window: a tracked video on the screen, with keys and mouse."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from datasets.opencv import cv2
from tracker.controls import KEYS, Controls
from tracker.errors import TrackerError
from tracker.newest import NewestFrames
from tracker.overlay import COLOURS, PAPER, Followed, dashed, draw, text_size, write_text
from tracker.video import Source

_SMALLEST_WIDTH, _LARGEST = 640, (1280, 620)  # of the picture: with the keys it fits 1366x768
_TEXT, _LINE, _GAP = 0.45, 30, 12
_BAR, _CAP, _DIM = (38, 34, 32), (70, 64, 60), (190, 190, 190)
_HOLD_MS = 20


class Window:
    """Shows frames and takes boxes; a `tracker.video.Screen`. Use it in a `with`.

    Args:
        source: whose frames are shown; a file's at its own pace, unless the tracker is slower.
        snapshots: folder for them.
    """

    def __init__(self, source: Source, snapshots: Path) -> None:
        height, width = source.first.shape[:2]
        self.title = f"b2track - {Path(source.name).name or source.name}"
        self.controls = Controls((width, height), paused=False, live=source.live)
        self.zoom = min(max(_SMALLEST_WIDTH / width, 1), _LARGEST[0] / width, _LARGEST[1] / height)
        self._source, self._snapshots, self._number = source, snapshots, 0
        self._period = 0.0 if source.live else 1 / source.fps
        self._due = 0.0
        self._note = ""
        self._boxes: list[np.ndarray] = []

    def __enter__(self) -> Window:
        # Without Qt's tool bar and menu, and pixel for pixel, so that the mouse is where it seems to be.
        cv2.namedWindow(self.title, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
        cv2.setMouseCallback(self.title, self._mouse)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        cv2.destroyAllWindows()

    def choose(self) -> tuple[np.ndarray, list[np.ndarray]]:
        """The frame on which the user drew boxes, and these; a live source runs until it is held.

        Raises:
            TrackerError: the window was closed, or the source ended, before.
        """
        controls, frame = self.controls, self._source.first
        controls.paused = not self._source.live
        while not controls.closed:
            was_paused = controls.paused
            self._show(cv2.resize(frame, None, fx=self.zoom, fy=self.zoom))
            self._listen(_HOLD_MS)
            if controls.drawn and was_paused and not controls.paused:
                drawn = controls.take_drawn()
                return frame, [drawn[number] for number in sorted(drawn)]
            if not controls.paused:
                following = self._following()
                if following is not None:
                    frame = following
                elif not isinstance(self._source.rest, NewestFrames) or self._source.rest.ended:
                    break
        raise TrackerError("--init-box: none given and none drawn in the window")

    def _following(self) -> np.ndarray | None:
        rest = self._source.rest
        return rest.take(_HOLD_MS / 1000) if isinstance(rest, NewestFrames) else next(rest, None)

    def attend(self, frame: np.ndarray, objects: Sequence[Followed], seconds: float,
               stopped: Callable[[], bool]) -> tuple[dict[int, np.ndarray], bool]:
        """As `tracker.video.Screen`."""
        controls = self.controls
        controls.objects, self._boxes = len(objects), [each.result.box for each in objects]
        self._number += 1
        picture = draw(frame, objects, seconds, self.zoom)
        while True:
            self._show(picture)
            self._listen(_HOLD_MS if controls.paused else self._left())
            if controls.snapshot:
                self._keep(draw(frame, objects, seconds))
            if controls.closed or stopped() or (not controls.paused and self._left() <= 1):
                break
        self._due = max(self._due + self._period, time.monotonic())
        return controls.take_drawn(), controls.closed

    def _left(self) -> int:
        """Milliseconds until the next frame is due, at least 1."""
        return max(round(1000 * (self._due - time.monotonic())), 1)

    def _listen(self, milliseconds: int) -> None:
        """Take a key, and notice the window's cross."""
        code = cv2.waitKey(milliseconds)
        if code >= 0:
            self._note = ""
            self.controls.key(code & 0xFF)
        try:
            visible = cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # Qt's answer once its last window is gone
            visible = False
        self.controls.closed |= not visible

    def _mouse(self, event: int, x: int, y: int, flags: int, data: object) -> None:
        at = x / self.zoom, y / self.zoom
        if event == cv2.EVENT_LBUTTONDOWN:
            self.controls.press(*at)
        elif event == cv2.EVENT_MOUSEMOVE:
            self.controls.move(*at)
        elif event == cv2.EVENT_LBUTTONUP:
            self.controls.release(*at)

    def _keep(self, picture: np.ndarray) -> None:
        """Write a snapshot under a name that is free."""
        self.controls.snapshot = False
        stem = f"b2track-{Path(self._source.name).stem or 'stream'}-{self._number - 1:06d}"
        names = (self._snapshots / f"{stem}{f'-{again}' if again else ''}.png" for again in range(10_000))
        path = next(name for name in names if not name.exists())
        self._note = f"kept {path}" if cv2.imwrite(str(path), picture) else f"{path} cannot be written"

    def _show(self, picture: np.ndarray) -> None:
        """The picture with boxes that wait or are being drawn, and the bar under it."""
        picture, zoom = picture.copy(), self.zoom
        for number, box in self.controls.drawn.items():
            dashed(picture, tuple(int(value * zoom) for value in box), COLOURS[number % len(COLOURS)], 2)
        marked = self._marked()
        if marked is not None:
            x, y, w, h = (int(value * zoom) for value in marked)
            cv2.rectangle(picture, (x - 4, y - 4), (x + w + 4, y + h + 4), PAPER, 1)
        hand = self.controls.box_in_hand()
        if hand is not None:
            x, y, w, h = (int(value * zoom) for value in hand)
            cv2.rectangle(picture, (x, y), (x + w, y + h), COLOURS[self.controls.current % len(COLOURS)], 2)
        cv2.imshow(self.title, np.vstack((picture, self._bar(picture.shape[1]))))

    def _marked(self) -> np.ndarray | None:
        """The box of the object that the next one drawn is for, while there is something to tell apart."""
        controls = self.controls
        several = controls.paused and len(self._boxes) > 1
        return self._boxes[controls.current] if several and controls.current < len(self._boxes) else None

    def _bar(self, width: int) -> np.ndarray:
        """Two lines: what can be done, and the keys."""
        bar = np.full((2 * _LINE + _GAP // 2, width, 3), _BAR, np.uint8)
        write_text(bar, self._note or self.controls.message() or self._state(), (_GAP, 21), _TEXT, PAPER)
        x, base = _GAP, _LINE + 20
        for key, name in KEYS:
            if key == "Space" and self.controls.paused:
                name = "go on" if self.controls.objects else "start"
            cap, height = text_size(key, _TEXT)
            cv2.rectangle(bar, (x, base - height - 6), (x + cap + 10, base + 6), _CAP, cv2.FILLED)
            write_text(bar, key, (x + 5, base), _TEXT, PAPER)
            write_text(bar, name, (x + cap + 17, base), _TEXT, _DIM)
            x += cap + 17 + text_size(name, _TEXT)[0] + _GAP + 6
        return bar

    def _state(self) -> str:
        count = f"frame {self._number}" + (f" of {self._source.count}" if self._source.count else "")
        return f"{count}, {self.controls.objects} object{'s' * (self.controls.objects != 1)}"
