"""What is drawn onto frames: boxes, where they came from, scores, time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from datasets.opencv import cv2
from tracker.track import Result

Colour = tuple[int, int, int]
# BGR, an object each, again from the first after the last. None is near the grey of what is lost.
COLOURS: tuple[Colour, ...] = ((80, 220, 60), (255, 170, 40), (40, 200, 255), (230, 110, 230), (220, 220, 60))
LOST: Colour = (186, 178, 170)
INK, PAPER = (20, 20, 20), (245, 245, 245)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_TRAIL_FRAMES, _DASHES = 30, 6
_GLIDE = 0.6  # what is left of the way in each frame after a target was lost or found


class Followed:
    """One object as it is drawn.

    Attributes:
        result: of the last frame.
        trail: its centres in the last frames, x, y in pixels; none from before it was lost.
        box: (4,) x, y, w, h as it is drawn: when lost or found again it does not jump, it glides for some frames.
    """

    def __init__(self, box: np.ndarray) -> None:
        self.trail: deque[tuple[float, float]] = deque(maxlen=_TRAIL_FRAMES)
        self.result = Result(np.asarray(box, dtype=np.float64), 1.0, False)
        self.box, self._way = self.result.box, np.zeros(4)
        self.see(self.result)

    def see(self, result: Result) -> None:
        """Take the result of the next frame."""
        turned = result.lost != self.result.lost
        self._way = self.box - result.box if turned else _GLIDE * self._way
        self.result, self.box = result, result.box + self._way
        x, y, w, h = result.box.tolist()
        if result.lost:
            self.trail.clear()
        else:
            self.trail.append((x + w / 2, y + h / 2))


def draw(frame: np.ndarray, objects: Sequence[Followed], seconds: float, zoom: float = 1.0) -> np.ndarray:
    """A copy of the frame with every object's box, trail and score, and the time of a frame.

    A box has its object's colour while it is tracked, and is grey and dashed while it is lost. Where there are several
    objects their numbers, from 1, stand before the scores.

    Args:
        frame: (H, W, 3) uint8 BGR.
        seconds: that the tracker takes for a frame.
        zoom: by which the copy is larger than the frame.
    """
    height, width = frame.shape[:2]
    image = frame.copy() if zoom == 1 else cv2.resize(frame, (round(width * zoom), round(height * zoom)))
    scale = max(min(image.shape[:2]) / 480, 0.7)
    for number, each in enumerate(objects):
        colour = LOST if each.result.lost else COLOURS[number % len(COLOURS)]
        _draw_trail(image, np.array(each.trail) * zoom, colour, scale)
        x, y, w, h = (round(float(value) * zoom) for value in each.box)
        thickness = max(round(2 * scale), 1)
        if each.result.lost:
            dashed(image, (x, y, w, h), colour, thickness)
        else:
            cv2.rectangle(image, (x, y), (x + w, y + h), colour, thickness)
        label = f"{each.result.score:.2f}" + (" lost" if each.result.lost else "")
        _tag(image, f"{number + 1}: {label}" if len(objects) > 1 else label, (x, y), colour, scale)
    # At the bottom, where no score stands.
    _tag(image, f"{1000 * seconds:.1f} ms a frame", (0, image.shape[0]), INK, scale)
    return image


def dashed(image: np.ndarray, box: tuple[int, int, int, int], colour: Colour, thickness: int) -> None:
    """A rectangle x, y, w, h in dashes."""
    x, y, w, h = box
    corners = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)], dtype=np.float64)
    for start, end in pairwise(corners):
        for dash in range(_DASHES):
            a, b = (start + (end - start) * at / _DASHES for at in (dash, dash + 0.55))
            cv2.line(image, _point(a), _point(b), colour, thickness, cv2.LINE_AA)


def text_size(text: str, size: float) -> tuple[int, int]:
    """Width and height of the capitals of a text, pixels."""
    (width, height), _ = cv2.getTextSize(text, _FONT, size, _weight(size))
    return width, height


def write_text(image: np.ndarray, text: str, at: tuple[int, int], size: float, colour: Colour) -> None:
    """A text whose line begins at x, y."""
    cv2.putText(image, text, at, _FONT, size, colour, _weight(size), cv2.LINE_AA)


def _draw_trail(image: np.ndarray, points: np.ndarray, colour: Colour, scale: float) -> None:
    """Thin where it is old."""
    for age, (a, b) in enumerate(pairwise(points)):
        cv2.line(image, _point(a), _point(b), colour, max(round(3 * scale * age / len(points)), 1), cv2.LINE_AA)


def _tag(image: np.ndarray, text: str, corner: tuple[int, int], colour: Colour, scale: float) -> None:
    """A text on its own ground, which any frame needs; above the corner, and on the image where it can be."""
    size = 0.5 * scale
    width, height = text_size(text, size)
    pad = height // 2
    x = int(np.clip(corner[0], 0, max(image.shape[1] - width - 2 * pad, 0)))
    y = int(np.clip(corner[1], height + 2 * pad, image.shape[0]))
    cv2.rectangle(image, (x, y - height - 2 * pad), (x + width + 2 * pad, y), colour, cv2.FILLED)
    write_text(image, text, (x + pad, y - pad), size, PAPER if colour == INK else INK)


def _weight(size: float) -> int:
    return 2 if size > 0.7 else 1


def _point(at: np.ndarray) -> tuple[int, int]:
    return round(float(at[0])), round(float(at[1]))
