"""Pasting of cut-out objects into training crops (Dwibedi et al., *Cut, Paste and Learn*, arXiv 1708.01642)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from datasets.alpha import over
from datasets.errors import DataError
from datasets.opencv import cv2
from datasets.transforms import ViewRange


@dataclass(frozen=True)
class PasteOptions:
    """How often cut-out objects are pasted, where there are any, and how.

    Attributes:
        target: share of pairs made of an object, pasted into crops of two backgrounds.
        distractor: share of search crops into which another object is pasted.
        hidden: largest share of the target's box in the crop that a distractor may hide; never its centre.
        tint: largest relative change of one channel's gain, drawn once an object.
        view: size, turn and place of a distractor; without jitter it is as large as a target, in the crop's middle.
    """

    target: float = 0.15
    distractor: float = 0.3
    hidden: float = 0.3
    tint: float = 0.12
    view: ViewRange = field(default_factory=lambda: ViewRange(shift=127, scale=0.5, aspect=0.15, rotation=0.2))

    def __post_init__(self) -> None:
        for name in ("target", "distractor", "hidden", "tint"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataError(f"{name} is {getattr(self, name)!r}; it must be from 0 to 1")


def paste(thing: np.ndarray, picture: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """A copy of a picture with an object over it.

    Args:
        thing: (H, W, 4) uint8 alpha-multiplied BGRA.
        picture: (H, W, 3) uint8 BGR.
        gains: (3,) factors of the object's channels.
    """
    left, top, width, height = cv2.boundingRect(thing[:, :, 3])
    part = np.s_[top:top + height, left:left + width]
    tinted = thing[part].copy()
    tinted[:, :, :3] = np.minimum(tinted[:, :, :3] * gains.astype(np.float32), tinted[:, :, 3:])
    result = picture.copy()
    result[part] = over(tinted, picture[part])
    return result


def hides(thing: np.ndarray, box: np.ndarray, most: float) -> bool:
    """Whether an object covers the centre of a box or more than the share `most` of the part inside the crop.

    Args:
        thing: (H, W, 4) uint8 alpha-multiplied BGRA, as large as the crop.
        box: (4,) x1, y1, x2, y2 in pixels of the crop.
        most: 0 .. 1.
    """
    size = thing.shape[0]
    x1, y1, x2, y2 = np.clip(np.round(box), 0, size).astype(int)
    silhouette = thing[:, :, 3] > 127
    inside = silhouette[y1:y2, x1:x2]
    column, row = np.clip((box[:2] + box[2:]) / 2, 0, size - 1).astype(int)
    return bool(silhouette[row, column]) or (inside.size > 0 and float(inside.mean()) > most)


def random_tint(rng: np.random.Generator, limit: float) -> np.ndarray:
    """Gains (3,) of the channels, 1 - limit .. 1 + limit."""
    return 1 + rng.uniform(-limit, limit, 3)
