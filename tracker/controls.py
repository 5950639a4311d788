"""What keys and mouse ask of a tracked video; knows of no window, so that it can be tested without one."""

from __future__ import annotations

import numpy as np

# As they are shown: the cap of the key, and what it does.
KEYS = (("Space", "pause"), ("R", "re-select"), ("N", "next object"), ("S", "snapshot"), ("Q", "quit"))
_GO, _QUIT = (ord(" "), 13, 10), (ord("q"), ord("Q"), 27)
_SMALLEST = 4  # pixels of the frame; a shorter drag is a click

Box = tuple[float, float, float, float]


class Controls:
    """State of the user's wishes.

    Boxes are drawn while the video is paused, and belong to the object `current`; the first number that is not in use
    makes a new object.

    Attributes:
        size: width and height of the frame, pixels; boxes end there.
        objects: how many are being tracked.
        paused: the frame stands still.
        current: the object that the next box is for.
        drawn: boxes x, y, w, h that wait for the video to go on, by object.
        dragged: corners of the box that is being drawn.
        snapshot, closed: asked for.
    """

    def __init__(self, size: tuple[int, int], paused: bool, live: bool) -> None:
        self.size, self.paused, self.live = size, paused, live
        self.objects = self.current = 0
        self.drawn: dict[int, np.ndarray] = {}
        self.dragged: Box | None = None
        self.snapshot = self.closed = False

    def key(self, code: int) -> None:
        """A key was pressed, by its character's code."""
        if code in _QUIT:
            self.closed = True
        elif code in _GO:
            self._go_or_pause()
        elif code in (ord("s"), ord("S")):
            self.snapshot = True
        elif code in (ord("r"), ord("R")):
            known = max(self.objects, len(self.drawn))
            # The second time it is the next object's turn.
            self.current = (self.current + self.paused) % max(known, 1)
            self.paused = True
        elif code in (ord("n"), ord("N")):
            self.current = self._number_of_all()
            self.paused = True

    def press(self, x: float, y: float) -> None:
        """The mouse button goes down at a pixel of the frame, which holds the video."""
        self.paused = True
        self.dragged = (x, y, x, y)

    def move(self, x: float, y: float) -> None:
        """The mouse is elsewhere."""
        if self.dragged is not None:
            self.dragged = (*self.dragged[:2], x, y)

    def release(self, x: float, y: float) -> None:
        """The mouse button goes up: that was the box, if it was large enough."""
        if self.dragged is None:
            return
        self.move(x, y)
        box, self.dragged = self.box_in_hand(), None
        if box is not None and box[2:].min() >= _SMALLEST:
            self.drawn[self.current] = box

    def box_in_hand(self) -> np.ndarray | None:
        """The box that is being drawn, inside the frame."""
        if self.dragged is None:
            return None
        corners = np.clip(np.reshape(np.array(self.dragged, np.float64), (2, 2)), 0, self.size)
        low, high = corners.min(0), corners.max(0)
        return np.concatenate((low, high - low))

    def take_drawn(self) -> dict[int, np.ndarray]:
        """The boxes that wait, once."""
        taken, self.drawn = self.drawn, {}
        return taken

    def message(self) -> str:
        """What can be done now, in a line."""
        if not self.paused:
            return "" if self.objects else "Space or the mouse button holds the picture, to draw a box on it"
        name = f"object {self.current + 1}"
        if self.drawn:
            return f"Space starts. Draw again to correct {name}, N for another"
        if self.objects <= self.current:
            return f"Draw a box around {name if self.objects else 'the object'} with the mouse"
        return f"Paused. Space goes on; draw a box to re-select {name}"

    def _go_or_pause(self) -> None:
        if self.paused and not (self.objects or self.drawn or self.live):
            return  # nothing would be tracked
        self.paused, self.dragged = not self.paused, None
        # A number that got no box is free again.
        self.current = min(self.current, max(self._number_of_all() - 1, 0))

    def _number_of_all(self) -> int:
        return max([self.objects, *(number + 1 for number in self.drawn)])
