"""A video with one annotated target, as every reader returns it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class Sequence:
    """N frames and one target. Nothing is decoded here.

    A still image with a box is a sequence of one frame. Where only the first box is published (GOT-10k test),
    `boxes` has one row and `visible` is all True.

    Attributes:
        name: unique within its dataset.
        dataset: name of the dataset and split, such as ``got10k-val``.
        frames: N image paths, in order.
        boxes: (N, 4) float64, x, y, w, h in pixels, top-left corner, 0-based.
        visible: (N,) bool, False where the target is absent.
        attributes: benchmark attributes that hold for the whole sequence.
        masks: N mask images, 0 or 255, of the target; empty where there are none.
    """

    name: str
    dataset: str
    frames: tuple[Path, ...]
    boxes: np.ndarray
    visible: np.ndarray
    attributes: tuple[str, ...] = ()
    masks: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.frames)
