"""Objects without surroundings: uint8 BGRA images whose colours are multiplied by alpha.

Such images can be resampled and blurred without fringes (Porter and Duff, *Compositing Digital Images*, 1984).
"""

from __future__ import annotations

import numpy as np

from datasets.opencv import cv2

# Standard deviation of an edge's softness, pixels; enough to hide that an object was cut out.
FEATHER = 0.8


def premultiply(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Join (H, W, 3) colours and (H, W) alpha, uint8, to alpha-multiplied BGRA."""
    weight = alpha[:, :, None].astype(np.uint16)
    return np.concatenate([(colours * weight // 255).astype(np.uint8), alpha[:, :, None]], axis=2)


def soft_edges(mask: np.ndarray) -> np.ndarray:
    """Alpha (H, W) of a mask (H, W) that is 0 or 255; straight edges stay where they are."""
    return cv2.GaussianBlur(mask, (0, 0), FEATHER)


def silhouette_bounds(alpha: np.ndarray) -> tuple[int, int, int, int]:
    """Bounds x, y, w, h of the silhouette, alpha (H, W) above one half; zeros where there is none."""
    left, top, width, height = cv2.boundingRect((alpha > 127).astype(np.uint8))
    return left, top, width, height


def trim(thing: np.ndarray) -> np.ndarray:
    """Cut an object (H, W, 4) to the bounds of its silhouette."""
    left, top, width, height = silhouette_bounds(thing[:, :, 3])
    return np.ascontiguousarray(thing[top:top + height, left:left + width])


def over(thing: np.ndarray, patch: np.ndarray) -> np.ndarray:
    """Put alpha-multiplied BGRA over BGR of the same size, uint8."""
    rest = (255 - thing[:, :, 3:]).astype(np.uint16)
    return thing[:, :, :3] + (patch * rest // 255).astype(np.uint8)


def outline(thing: np.ndarray) -> np.ndarray:
    """Ends of the rows of an object's silhouette: (K, 2) float64 x, y at the corners of pixels.

    Whatever affine map moves the object, the bounds of these moved points are those of the object. Without a
    silhouette (1, 2), the middle of the image.
    """
    inside = thing[:, :, 3] > 127
    rows = np.flatnonzero(inside.any(axis=1))
    if not len(rows):
        return np.array([[thing.shape[1] / 2, thing.shape[0] / 2]])
    left = inside[rows].argmax(axis=1)
    right = thing.shape[1] - inside[rows, ::-1].argmax(axis=1)
    ends = [np.column_stack([x, y]) for x in (left, right) for y in (rows, rows + 1)]
    return np.concatenate(ends).astype(np.float64)
