"""Boxes as users give them: x, y, w, h in pixels, 0-based."""

from __future__ import annotations

import numpy as np

from tracker.errors import TrackerError


def as_box(given: object, frame: np.ndarray) -> np.ndarray:
    """A box that can be tracked on a frame (H, W, ...), as (4,) float64.

    Args:
        given: four numbers; may reach beyond the frame but must meet it.

    Raises:
        TrackerError: not four finite numbers, a side shorter than a pixel, or outside the frame.
    """
    try:
        box = np.asarray(given)
        if box.shape != (4,) or box.dtype.kind not in "iuf":
            raise ValueError
    except (TypeError, ValueError):
        raise TrackerError(f"an init box is four numbers x, y, w, h, not {given!r}") from None
    box = box.astype(np.float64)
    said = f"init box {','.join(f'{value:g}' for value in box)}"
    x, y, w, h = box.tolist()
    if not np.isfinite(box).all():
        raise TrackerError(f"{said} is not finite")
    if w <= 0 or h <= 0:
        raise TrackerError(f"{said} has no area")
    if min(w, h) < 1:
        raise TrackerError(f"{said} is smaller than a pixel; width and height are in pixels, at least 1")
    height, width = frame.shape[:2]
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        raise TrackerError(f"{said} is outside the frame of {width}x{height} pixels")
    return box
