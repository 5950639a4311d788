"""Square crops around a target: the one geometry shared by training and tracking.

Coordinates are continuous: pixel i covers [i, i + 1), so a box (x, y, w, h) has its centre at x + w / 2 and a
crop of `size` pixels maps linearly onto a `Region`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.opencv import cv2

SHRINK_FROM = 1.5  # image pixels per pixel of a crop


@dataclass(frozen=True)
class Region:
    """A square of the image: centre and side, in image pixels. It may reach beyond the image."""

    cx: float
    cy: float
    side: float

    @property
    def left(self) -> float:
        return self.cx - self.side / 2

    @property
    def top(self) -> float:
        return self.cy - self.side / 2


def context_side(width: float, height: float, context: float = 0.5) -> float:
    """Side of the template region, sqrt((w + p)(h + p)) with p = context * (w + h) (SiamFC, 1606.09549)."""
    margin = context * (width + height)
    return float(np.sqrt((width + margin) * (height + margin)))


def crop(image: np.ndarray, region: Region, size: int, fill: np.ndarray) -> np.ndarray:
    """Resample `region` of a (H, W, 3) uint8 image to (size, size, 3), with `fill` (3,) outside the image.

    Strong reductions average over pixels first, as the training caches do; bilinear sampling alone would alias.
    """
    scale = region.side / size
    origin, step = (region.left, region.top), (scale, scale)
    if scale >= SHRINK_FROM:
        image, origin, step = _shrunk(image, region, scale)
    return resample(image, origin, step, size, fill)


def _shrunk(image: np.ndarray, region: Region, scale: float) -> tuple[np.ndarray, tuple, tuple]:
    """What the region meets of the image, averaged down by about `scale`, and the region's origin and step in it."""
    height, width = image.shape[:2]
    x1, x2 = (int(np.clip(edge, 0, width)) for edge in (np.floor(region.left), np.ceil(region.left + region.side)))
    y1, y2 = (int(np.clip(edge, 0, height)) for edge in (np.floor(region.top), np.ceil(region.top + region.side)))
    if x1 >= x2 or y1 >= y2:  # the region lies outside the image
        return image, (region.left, region.top), (scale, scale)
    shape = max(1, round((x2 - x1) / scale)), max(1, round((y2 - y1) / scale))
    small = cv2.resize(image[y1:y2, x1:x2], shape, interpolation=cv2.INTER_AREA)
    fx, fy = shape[0] / (x2 - x1), shape[1] / (y2 - y1)
    return small, ((region.left - x1) * fx, (region.top - y1) * fy), (scale * fx, scale * fy)


def resample(image: np.ndarray, origin: tuple[float, float], step: tuple[float, float], size: int,
             fill: np.ndarray) -> np.ndarray:
    """Cut a rectangle out of a (H, W, 3) uint8 image, bilinearly, as (size, size, 3).

    Args:
        image: BGR.
        origin: image x, y of the upper left corner of the result.
        step: image pixels per pixel of the result along x and y; a negative step mirrors.
        size: side of the result in pixels.
        fill: (3,) colour used outside the image.
    """
    matrix = np.array([[step[0], 0.0, origin[0]], [0.0, step[1], origin[1]]])
    return warp(image, matrix, size, fill)


def warp(image: np.ndarray, matrix: np.ndarray, size: int, fill: np.ndarray) -> np.ndarray:
    """Cut a parallelogram out of a (H, W, C) uint8 image, bilinearly, as (size, size, C).

    Args:
        image: BGR, or alpha-multiplied BGRA.
        matrix: (2, 3) float64; image x, y = matrix @ (x, y, 1) of the result.
        size: side of the result in pixels.
        fill: (3,) colour used outside the image, where a fourth channel is 0.
    """
    # warpAffine puts pixel centres at integers, hence the halves.
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, centred, (size, size), flags=flags, borderMode=cv2.BORDER_CONSTANT,
                          borderValue=tuple(float(value) for value in fill))
