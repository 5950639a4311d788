"""What a cache stores of a frame: the surroundings of the target as a JPEG, and where they lie in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets import images
from datasets.crops import context_side
from datasets.errors import DataError
from datasets.opencv import cv2
from datasets.sequence import Sequence

# A search crop of 255 px shows this many times the side of the template region, which fills 127 px.
SEARCH_TO_TEMPLATE = 255 / 127


@dataclass(frozen=True)
class CacheOptions:
    """How frames are stored. Caches made with other options are never mixed up with each other.

    Attributes:
        mode: ``crop`` stores the surroundings of the target, ``frame`` whole frames.
        search_factor: side of a stored crop over the side of the search region, so that shifted and scaled search
            regions find their pixels.
        max_side: side in pixels of a stored crop that lies wholly in the frame; larger crops are shrunk to it. With
            search_factor 2 and 510 px the search region is stored at the 255 px the network sees.
        quality: JPEG quality, 0 .. 100.
    """

    mode: str = "crop"
    search_factor: float = 2.0
    max_side: int = 510
    quality: int = 90

    def __post_init__(self) -> None:
        if self.mode not in ("crop", "frame"):
            raise DataError(f"cache mode {self.mode!r} is unknown; choose crop or frame")


@dataclass(frozen=True)
class CachedCrop:
    """A stored part of a frame; in continuous coordinates frame_xy = crop_xy * scale + (left, top).

    Attributes:
        image: (H, W, 3) uint8 BGR.
        scale: frame pixels per crop pixel, at least 1.
        left: frame x of the crop's left edge.
        top: frame y of the crop's upper edge.
        fill: (3,) float64, the mean colour of the whole frame, for pixels beyond its border.
    """

    image: np.ndarray
    scale: float
    left: float
    top: float
    fill: np.ndarray


def encode(sequence: Sequence, index: int, options: CacheOptions) -> tuple[bytes, np.ndarray]:
    """Decode frame `index` and cut out what a cache stores of it.

    Returns:
        The JPEG, and (6,) float64: scale, left, top and the fill colour of its `CachedCrop`.

    Raises:
        DataError: the image cannot be read.
    """
    image = images.read(sequence.frames[index])
    part, scale, left, top = image, 1.0, 0, 0
    if options.mode == "crop":
        box = anchor_box(sequence.boxes, sequence.visible, index)
        part, scale, left, top = _surroundings(image, box, options)
    _, data = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, options.quality])
    return data.tobytes(), np.array([scale, left, top, *cv2.mean(image)[:3]])


def anchor_box(boxes: np.ndarray, visible: np.ndarray, index: int) -> np.ndarray:
    """Where a tracker looks in frame `index`: at the target, or where it was last seen (will first be seen).

    Args:
        boxes: (N, 4) x, y, w, h.
        visible: (N,) bool, at least one True.
        index: of the frame.

    Returns:
        (4,) x, y, w, h, one of the boxes.
    """
    usable = np.flatnonzero(visible)
    position = int(np.searchsorted(usable, index, side="right")) - 1
    return boxes[usable[max(position, 0)]]


def _surroundings(image: np.ndarray, box: np.ndarray,
                  options: CacheOptions) -> tuple[np.ndarray, float, int, int]:
    """Cut the square around `box` (x, y, w, h), clipped to the image, and shrink it where it is large."""
    height, width = image.shape[:2]
    x, y, w, h = box
    side = context_side(w, h) * SEARCH_TO_TEMPLATE * options.search_factor
    # A box may lie partly or wholly beyond the border: at least one pixel is stored.
    left = int(np.clip(np.floor(x + w / 2 - side / 2), 0, width - 1))
    top = int(np.clip(np.floor(y + h / 2 - side / 2), 0, height - 1))
    right = int(np.clip(np.ceil(x + w / 2 + side / 2), left + 1, width))
    bottom = int(np.clip(np.ceil(y + h / 2 + side / 2), top + 1, height))
    part = image[top:bottom, left:right]
    scale = max(1.0, side / options.max_side)
    if scale > 1.0:
        size = (max(1, round((right - left) / scale)), max(1, round((bottom - top) / scale)))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return part, scale, left, top
