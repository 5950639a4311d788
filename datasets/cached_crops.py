"""What a cache stores of a frame: the surroundings of the target, or the target cut out, and where it lies there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets import images, masks
from datasets.alpha import premultiply, soft_edges
from datasets.crops import context_side
from datasets.errors import DataError
from datasets.opencv import cv2
from datasets.sequence import Sequence

# A search crop of 255 px shows this many times the side of the template region, which fills 127 px.
SEARCH_TO_TEMPLATE = 255 / 127
# Pixels of a cut-out beyond its silhouette, where its soft edge fades.
_SOFT_MARGIN = 3


@dataclass(frozen=True)
class CacheOptions:
    """How frames are stored. Caches made with other options are never mixed up with each other.

    Attributes:
        mode: ``crop`` stores the surroundings of the target, ``frame`` whole frames, ``object`` the target alone, cut
            out by its mask.
        search_factor: side of a stored crop over the side of the search region, so that shifted and scaled search
            regions find their pixels.
        max_side: side in pixels of a stored crop that lies wholly in the frame; larger crops are shrunk to it. With
            search_factor 2 and 510 px the search region is stored at the 255 px the network sees.
            A cut-out's longer side is at most this.
        quality: JPEG quality, 0 .. 100; cut-outs are stored as PNG.
    """

    mode: str = "crop"
    search_factor: float = 2.0
    max_side: int = 510
    quality: int = 90

    def __post_init__(self) -> None:
        if self.mode not in ("crop", "frame", "object"):
            raise DataError(f"cache mode {self.mode!r} is unknown; choose crop, frame or object")


@dataclass(frozen=True)
class CachedCrop:
    """A stored part of a frame; in continuous coordinates frame_xy = crop_xy * scale + (left, top).

    Attributes:
        image: (H, W, 3) uint8 BGR, or a cut-out: (H, W, 4) alpha-multiplied BGRA.
        scale: frame pixels per crop pixel, at least 1.
        left: frame x of the crop's left edge.
        top: frame y of the crop's upper edge.
        fill: (3,) float64, the mean colour of the whole frame, for pixels beyond its border; 0 for a cut-out.
    """

    image: np.ndarray
    scale: float
    left: float
    top: float
    fill: np.ndarray

    def place(self, points: np.ndarray) -> np.ndarray:
        """Points (K, 2) of the stored image in the frame."""
        return points * self.scale + (self.left, self.top)


def encode(sequence: Sequence, index: int, options: CacheOptions) -> tuple[bytes, np.ndarray]:
    """Decode frame `index` and cut out what a cache stores of it.

    Returns:
        The JPEG (PNG), and (6,) float64: scale, left, top and the fill colour of its `CachedCrop`.

    Raises:
        DataError: the image or its mask cannot be read.
    """
    image = images.read(sequence.frames[index])
    if options.mode == "object":
        return _cut_out(image, sequence, index, options)
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


def _cut_out(image: np.ndarray, sequence: Sequence, index: int, options: CacheOptions) -> tuple[bytes, np.ndarray]:
    """The target of a masked frame on its own, encoded with alpha."""
    if not sequence.masks:
        raise DataError(f"{sequence.name}: has no masks to cut its target out; read it with datasets.masks")
    thing = premultiply(image, soft_edges(masks.read(sequence.masks[index], image)))
    x, y, w, h = sequence.boxes[index]
    around = (w + 2 * _SOFT_MARGIN, h + 2 * _SOFT_MARGIN)
    part, scale, left, top = _part(thing, (x + w / 2, y + h / 2), around, max(1.0, max(around) / options.max_side))
    _, data = cv2.imencode(".png", part)
    return data.tobytes(), np.array([scale, left, top, 0, 0, 0], dtype=np.float64)


def _surroundings(image: np.ndarray, box: np.ndarray,
                  options: CacheOptions) -> tuple[np.ndarray, float, int, int]:
    """Cut the square around `box` (x, y, w, h), clipped to the image, and shrink it where it is large."""
    x, y, w, h = box
    side = context_side(w, h) * SEARCH_TO_TEMPLATE * options.search_factor
    return _part(image, (x + w / 2, y + h / 2), (side, side), max(1.0, side / options.max_side))


def _part(image: np.ndarray, centre: tuple[float, float], size: tuple[float, float],
          scale: float) -> tuple[np.ndarray, float, int, int]:
    """A rectangle of `size` (width, height), clipped to the image, shrunk by `scale`; with scale, left and top."""
    height, width = image.shape[:2]
    (x, y), (w, h) = centre, size
    # A box may lie partly or wholly beyond the border: at least one pixel is stored.
    left = int(np.clip(np.floor(x - w / 2), 0, width - 1))
    top = int(np.clip(np.floor(y - h / 2), 0, height - 1))
    right = int(np.clip(np.ceil(x + w / 2), left + 1, width))
    bottom = int(np.clip(np.ceil(y + h / 2), top + 1, height))
    part = image[top:bottom, left:right]
    if scale > 1.0:
        size = (max(1, round((right - left) / scale)), max(1, round((bottom - top) / scale)))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return part, scale, left, top
