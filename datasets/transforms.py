"""Augmentation: a random view onto a target, and random changes of colour and sharpness.

Everything geometric is one affine map from the stored crop to the training crop, so pixels are resampled
once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.cached_crops import CachedCrop
from datasets.crops import Region, warp
from datasets.opencv import cv2

# Rec. 601 luma of BGR.
_LUMA = np.array([0.114, 0.587, 0.299])


@dataclass(frozen=True)
class ViewRange:
    """How far a view may differ from the crop that is centred on the target.

    Attributes:
        shift: largest shift of the target along x and y, pixels of the crop.
        scale: the region is larger or smaller by a factor of up to 1 + scale.
        aspect: x and y are stretched against each other by a factor of up to 1 + aspect.
        rotation: largest turn, radians; a box becomes the bounding box of its turned corners.
    """

    shift: float
    scale: float
    aspect: float = 0.0
    rotation: float = 0.0


@dataclass(frozen=True)
class ColourRange:
    """Strength of the photometric changes.

    Attributes:
        brightness: largest offset, as a share of the full range.
        contrast: largest relative change of the distance from mid-grey.
        saturation: largest relative change of the distance from grey.
        balance: largest relative change of one channel's gain.
        blur: probability of a Gaussian blur of up to `blur_sigma` pixels.
        blur_sigma: pixels of the crop.
        motion_blur: probability of a straight motion blur of up to `motion_length` pixels.
        motion_length: pixels of the crop.
    """

    brightness: float = 0.15
    contrast: float = 0.25
    saturation: float = 0.35
    balance: float = 0.08
    blur: float = 0.1
    blur_sigma: float = 2.0
    motion_blur: float = 0.15
    motion_length: int = 13


@dataclass(frozen=True, eq=False)
class View:
    """A parallelogram of the frame shown as a square crop, perhaps turned, stretched or mirrored.

    Attributes:
        matrix: (2, 3) float64; frame x, y = matrix @ (x, y, 1) of the crop, in continuous coordinates.
        size: side of the crop in pixels.
    """

    matrix: np.ndarray
    size: int

    def sample(self, stored: CachedCrop) -> np.ndarray:
        """Cut the view out of a stored crop: (size, size, 3) uint8 BGR, or 4 channels of a cut-out."""
        matrix = self.matrix - [[0, 0, stored.left], [0, 0, stored.top]]
        return warp(stored.image, matrix / stored.scale, self.size, stored.fill)

    def bounds(self, points: np.ndarray) -> np.ndarray:
        """Bounds (4,) x1, y1, x2, y2 in crop pixels of frame points (K, 2); not clipped."""
        placed = np.linalg.solve(self.matrix[:, :2], (points - self.matrix[:, 2]).T)
        return np.concatenate([placed.min(axis=1), placed.max(axis=1)])

    def corners(self, box: np.ndarray) -> np.ndarray:
        """Bounds of a frame box (4,) x, y, w, h, as `bounds`."""
        x, y, width, height = box
        return self.bounds(np.array([[x, y], [x + width, y], [x, y + height], [x + width, y + height]]))


def random_region(rng: np.random.Generator, stored: CachedCrop, side: float) -> Region:
    """Draw a square of `side` (frame pixels) inside a stored crop; along an axis it is longer than, one around it."""
    size = np.array(stored.image.shape[1::-1])
    first = stored.place(np.zeros(2)) + side / 2
    last = stored.place(size) - side / 2
    cx, cy = rng.uniform(np.minimum(first, last), np.maximum(first, last))
    return Region(cx, cy, side)


def random_view(rng: np.random.Generator, region: Region, size: int, limits: ViewRange, mirror: bool) -> View:
    """Draw a view of `size` pixels around `region` (frame pixels)."""
    shift = rng.uniform(-limits.shift, limits.shift, 2)
    scale = region.side / size * _factor(rng, limits.scale)
    stretch = np.sqrt(_factor(rng, limits.aspect))
    angle = rng.uniform(-limits.rotation, limits.rotation)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # Stretched along the frame's axes and then turned, so that a box stays a rectangle.
    linear = np.diag([scale * stretch * (-1 if mirror else 1), scale / stretch]) @ turn
    # The centre of the region appears at size / 2 + shift.
    origin = np.array([region.cx, region.cy]) - linear @ (size / 2 + shift)
    return View(np.column_stack([linear, origin]), size)


def random_colour(rng: np.random.Generator, image: np.ndarray, limits: ColourRange, grey: bool) -> np.ndarray:
    """Change brightness, contrast, colour and sharpness of a (H, W, 3) uint8 BGR image."""
    contrast = 1 + rng.uniform(-limits.contrast, limits.contrast)
    saturation = 0.0 if grey else 1 + rng.uniform(-limits.saturation, limits.saturation)
    balance = np.ones(3) if grey else 1 + rng.uniform(-limits.balance, limits.balance, 3)
    offset = 255 * rng.uniform(-limits.brightness, limits.brightness) + 127.5 * (1 - contrast)
    mix = saturation * np.eye(3) + (1 - saturation) * _LUMA  # rows: output channel, columns: input channel
    matrix = np.column_stack([contrast * balance[:, None] * mix, np.full(3, offset)])
    return _random_blur(rng, cv2.transform(image, matrix), limits)


def _random_blur(rng: np.random.Generator, image: np.ndarray, limits: ColourRange) -> np.ndarray:
    chance = rng.random()
    if chance < limits.motion_blur:
        kernel = motion_kernel(rng.uniform(3, limits.motion_length), rng.uniform(0, np.pi))
        return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    if chance < limits.motion_blur + limits.blur:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, limits.blur_sigma))
    return image


def motion_kernel(length: float, angle: float) -> np.ndarray:
    """Point spread of a straight motion of `length` pixels at `angle` radians: (K, K) float32 with sum 1."""
    radius = max(1, int(np.ceil(length / 2)))
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1), np.float32)
    reach = length / 2 * np.array([np.cos(angle), np.sin(angle)])
    # Sub-pixel end points: OpenCV takes them as integers with `shift` binary digits of fraction.
    start, end = (np.round((radius + sign * reach) * 16).astype(int).tolist() for sign in (-1, 1))
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_8, shift=4)
    return kernel / kernel.sum()


def _factor(rng: np.random.Generator, limit: float) -> float:
    """A factor between 1 / (1 + limit) and 1 + limit, uniform in its logarithm."""
    return float(np.exp(rng.uniform(-1, 1) * np.log1p(limit)))
