"""Overlap and centre distance of boxes, one row a frame.

Boxes are (N, 4) float64 x, y, w, h in continuous pixels: a box covers [x, x + w) and its area is w * h. The "+1"
of some toolkits cancels: they write right = x + w - 1 and add the one again.
"""

from __future__ import annotations

import numpy as np

from datasets.annotations import has_area


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of the rows of two (N, 4) arrays, (N,) in 0..1.

    A box that is not finite or has no area overlaps nothing: 0.
    """
    a, b = _rows(a), _rows(b)
    usable = has_area(a) & has_area(b)
    a, b = a[usable], b[usable]
    start = np.maximum(a[:, :2], b[:, :2])
    end = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    shared = np.clip(end - start, 0, None).prod(axis=1)
    united = a[:, 2:].prod(axis=1) + b[:, 2:].prod(axis=1) - shared
    result = np.zeros(len(usable))
    # Sides so small that their product is 0 make no area either.
    result[usable] = np.clip(np.divide(shared, united, out=np.zeros_like(shared), where=united > 0), 0, 1)
    return result


def centre_error(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance of the centres in pixels, (N,); infinite where a box is not finite."""
    offset = _centres(a) - _centres(b)
    return _finite_norm(offset)


def normalized_centre_error(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of the centres in units of the true width and height, (N,) (TrackingNet, arXiv 1803.10794).

    Infinite where a box is not finite or the true one has no area.
    """
    truth = _rows(truth)
    size = np.where(has_area(truth)[:, None], truth[:, 2:], np.nan)
    return _finite_norm((_centres(predicted) - _centres(truth)) / size)


def clip_to_frame(boxes: np.ndarray, frame_size: tuple[int, int]) -> np.ndarray:
    """Boxes as the GOT-10k toolkit confines them to a frame of (width, height) pixels, (N, 4).

    The corner is moved inside first and the size is cut to what then fits: a box that sticks out to the left is
    shifted, not cut.
    """
    bound = np.asarray(frame_size, dtype=np.float64)
    corner = np.clip(_rows(boxes)[:, :2], 0, bound)
    return np.hstack([corner, np.clip(_rows(boxes)[:, 2:], 0, bound - corner)])


def _rows(boxes: np.ndarray) -> np.ndarray:
    return np.asarray(boxes, dtype=np.float64).reshape(-1, 4)


def _centres(boxes: np.ndarray) -> np.ndarray:
    boxes = _rows(boxes)
    return boxes[:, :2] + boxes[:, 2:] / 2


def _finite_norm(offset: np.ndarray) -> np.ndarray:
    """Length of the rows of (N, 2), infinite instead of NaN."""
    return np.nan_to_num(np.hypot(offset[:, 0], offset[:, 1]), nan=np.inf, posinf=np.inf)
