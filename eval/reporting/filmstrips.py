"""Frames of a sequence with the true box and each tracker's: what the figures stand for."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from datasets import images
from datasets.annotations import has_area
from datasets.opencv import cv2
from datasets.sequence import Sequence
from eval.boxes import iou
from eval.reporting.looks import Look

FRAMES = 6
"""Pictures a strip."""
_WIDTH = 400
_QUALITY = 72
_DASH = 7
_TRUTH = (255, 255, 255)


@dataclass(frozen=True)
class Picture:
    """One frame: a JPEG as a data URI, its place in the sequence, and each tracker's overlap in words."""

    uri: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Strip:
    """Some frames of a sequence.

    Attributes:
        sequence: its name.
        why: it was chosen.
        overlaps: label of each tracker that is drawn -> its mean overlap on frames with a visible target.
        pictures: in the order of time.
    """

    sequence: str
    why: str
    overlaps: Mapping[str, float]
    pictures: tuple[Picture, ...]


def choose(scores: Mapping[str, np.ndarray], reference: str | None) -> dict[int, str]:
    """The sequences that tell most: where all do best, all do worst, and where trackers differ most.

    Args:
        scores: label -> (S,) scores by sequence, NaN where there is none.
        reference: differences are taken to this tracker; None: between best and worst.

    Returns:
        Index of the sequence -> why it was chosen; fewer than three where they coincide.
    """
    table = np.array(list(scores.values()))
    usable = ~np.isnan(table).any(axis=0)
    if not usable.any():
        return {}
    table = np.where(usable, table, 0)
    mean = table.mean(axis=0)
    spread, why = np.ptp(table, axis=0), "largest difference between trackers"
    if reference is not None and len(scores) > 1:
        spread, why = np.abs(table - scores[reference]).max(axis=0), f"largest difference to {reference}"
    chosen = {int(np.argmax(np.where(usable, mean, -1))): "best on average"}
    chosen.setdefault(int(np.argmin(np.where(usable, mean, 2))), "worst on average")
    if len(scores) > 1:
        chosen.setdefault(int(np.argmax(np.where(usable, spread, -1))), why)
    return chosen


def make_strip(
    sequence: Sequence, boxes: Mapping[str, np.ndarray], looks: Mapping[str, Look], why: str
) -> Strip:
    """Draw frames evenly spaced over a sequence; the first is not among them, for there all boxes are the true one.

    Args:
        boxes: label -> (N, 4) predicted boxes, few enough to be told apart.

    Raises:
        DataError: a frame cannot be read.
    """
    seen = sequence.visible & has_area(sequence.boxes)
    overlaps = {label: iou(predicted, sequence.boxes) for label, predicted in boxes.items()}
    chosen = np.unique(np.linspace(0, len(sequence) - 1, FRAMES + 1).round().astype(int)[1:])
    pictures = []
    for frame in map(int, chosen):
        image = _draw(sequence, frame, boxes, looks, bool(seen[frame]))
        place = f"frame {frame + 1} of {len(sequence)}"
        values = ", ".join(f"{label} {overlaps[label][frame]:.2f}" for label in boxes)
        says = f"overlap with the true box: {values}" if seen[frame] else "no visible target"
        pictures.append(Picture(_jpeg(image), place, f"{sequence.name}, {place}; {says}"))
    means = {label: float(values[seen].mean()) if seen.any() else float("nan") for label, values in overlaps.items()}
    return Strip(sequence.name, why, means, tuple(pictures))


def _draw(
    sequence: Sequence, frame: int, boxes: Mapping[str, np.ndarray], looks: Mapping[str, Look], seen: bool
) -> np.ndarray:
    image = images.read(sequence.frames[frame])
    drawn = [(sequence.boxes[frame], _TRUTH, 5, False)] if seen else []
    # Thin on the true box's broad line: a box that hits it leaves it visible on both sides.
    drawn += [(predicted[frame], looks[label].bgr, 2, looks[label].dash != "solid")
              for label, predicted in boxes.items()]
    left, top, width, height = _view(image, np.array([box for box, *_ in drawn]))
    scale = _WIDTH / width
    size = _WIDTH, round(height * scale)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    image = cv2.resize(image[top:top + height, left:left + width], size, interpolation=how)
    for box, colour, thickness, dashed in drawn:
        _rectangle(image, (box - [left, top, 0, 0]) * scale, colour, thickness, dashed)
    return image


def _view(image: np.ndarray, boxes: np.ndarray) -> tuple[int, int, int, int]:
    """The part of a frame that is shown, x, y, w, h in its proportions: around all boxes, at least .4 of it."""
    full = np.array([image.shape[1], image.shape[0]])
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    low, high = (np.clip(ends, 0, full) for ends in (boxes[:, :2], boxes[:, :2] + boxes[:, 2:]))
    if not len(boxes):
        return 0, 0, int(full[0]), int(full[1])
    low, high = low.min(axis=0), high.max(axis=0)
    share = np.clip(2 * ((high - low) / full).max(), 0.4, 1)
    size = (full * share).round().astype(int)
    corner = np.clip(((low + high) / 2 - size / 2).round().astype(int), 0, full - size)
    return int(corner[0]), int(corner[1]), int(size[0]), int(size[1])


def _rectangle(
    image: np.ndarray, box: np.ndarray, colour: tuple[int, int, int], width: int, dashed: bool
) -> None:
    if not np.isfinite(box).all():
        return
    # Far outside of the picture a corner would not fit an OpenCV integer.
    x, y, w, h = np.clip(box, -10_000, 10_000).round()
    corners = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)])
    lines = [line for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)
             for line in (_dashes(a, b) if dashed else [(a, b)])]
    # A dark seam keeps every colour legible on every ground.
    for seam, ink in ((width + 2, (20, 20, 20)), (width, colour)):
        cv2.polylines(image, [np.array(line, np.int32) for line in lines], False, ink, seam, cv2.LINE_AA)


def _dashes(start: np.ndarray, end: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """A line in dashes as long as the gaps between them; it begins and ends with one."""
    count = max(round(float(np.abs(end - start).max()) / (2 * _DASH)), 1)
    points = start + np.linspace(0, 1, 2 * count)[:, None] * (end - start)
    return list(zip(points[::2], points[1::2], strict=True))


def _jpeg(image: np.ndarray) -> str:
    # Thin coloured lines want their colour at every pixel.
    colour = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, *colour])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
