"""The trackers of OpenCV; CSRT and KCF exist only in its contrib build."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import numpy as np

from datasets.errors import DataError
from datasets.opencv import cv2
from eval.peers.result import Result

TITLES = {"csrt": "CSRT", "kcf": "KCF", "mil": "MIL"}
MIN_SIDE = 5  # pixels; MIL searches for ever for a feature that fits a smaller box


def is_available(name: str) -> bool:
    """Whether this OpenCV build has the tracker; `name` is a key of `TITLES`."""
    return hasattr(cv2, f"Tracker{TITLES[name]}_create")


def describe(name: str) -> str:
    """Name and version, such as ``OpenCV 5.0.0 MIL``."""
    return f"OpenCV {cv2.__version__} {TITLES[name]}"


def why_missing(name: str) -> str:
    """One line for a tracker that this build does not have."""
    return (f"{name}: this OpenCV build ({cv2.__version__}) has no {TITLES[name]}; "
            "install opencv-contrib-python instead of opencv-python")


class OpenCvTracker:
    """One target; frames are (H, W, 3) uint8 BGR.

    Args:
        name: key of `TITLES`.
        threads: of OpenCV, in the whole process.

    Raises:
        DataError: this build has no such tracker.
    """

    def __init__(self, name: str, threads: int) -> None:
        if not is_available(name):
            raise DataError(why_missing(name))
        cv2.setNumThreads(threads)
        self.create = getattr(cv2, f"Tracker{TITLES[name]}_create")

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Show the target: x, y, w, h."""
        _seed()
        self.box = np.asarray(box, dtype=np.float64)
        self.tracker: Any = self.create()
        self.tracker.init(frame, whole_box(self.box, frame))

    def update(self, frame: np.ndarray) -> Result:
        """Find the target in the next frame; where OpenCV says that it is lost, the last box stays."""
        found, box = self.tracker.update(frame)
        if found:
            self.box = np.array(box, dtype=np.float64)
        return Result(self.box, float(found))


def whole_box(box: np.ndarray, frame: np.ndarray) -> tuple[int, int, int, int]:
    """What OpenCV takes as x, y, w, h: whole pixels, inside the frame, sides of at least `MIN_SIDE`."""
    height, width = frame.shape[:2]
    left, top = np.clip(np.round(box[:2]), 0, (width - MIN_SIDE, height - MIN_SIDE)).astype(int)
    right, bottom = np.clip(np.round(box[:2] + box[2:]), (left + MIN_SIDE, top + MIN_SIDE), (width, height)).astype(int)
    return int(left), int(top), int(right - left), int(bottom - top)


def _seed() -> None:
    """Make MIL repeatable: it draws samples from OpenCV's generator, but features from the C library's `rand`."""
    cv2.setRNGSeed(0)
    if os.name == "posix":
        ctypes.CDLL(None).srand(0)
