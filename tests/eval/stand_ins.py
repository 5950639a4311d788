"""Stand-ins for data and trackers: a white rectangle that walks over a dark frame, and what may follow it.

The checkpoint of such a tracker is a text file that says which one it is.
"""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from datasets.opencv import cv2


def truth(frames: int, step: int = 2) -> np.ndarray:
    """(frames, 4) boxes of the rectangle, 0-based."""
    return np.array([[5 + step * index, 8, 12, 10] for index in range(frames)], dtype=np.float64)


def write_frames(folder: Path, boxes: np.ndarray, stem: str = "{:08d}.png") -> tuple[Path, ...]:
    """Draw one 96x48 image a box."""
    folder.mkdir(parents=True)
    paths = []
    for number, (x, y, w, h) in enumerate(boxes.astype(int), start=1):
        image = np.full((48, 96, 3), 20, np.uint8)
        image[y:y + h, x:x + w] = 255
        paths.append(folder / stem.format(number))
        cv2.imwrite(str(paths[-1]), image)
    return tuple(paths)


class Static:
    """Repeats the first box."""

    def init(self, frame, box):
        self.box = box

    def update(self, frame):
        return SimpleNamespace(box=self.box)


class Perfect(Static):
    """Finds the white rectangle."""

    def update(self, frame):
        rows, columns = np.nonzero(frame[:, :, 0] > 128)
        x, y = columns.min(), rows.min()
        return SimpleNamespace(box=np.array([x, y, columns.max() + 1 - x, rows.max() + 1 - y], float))


class Broken(Static):
    """Loses its mind when the target has walked far."""

    def update(self, frame):
        if frame[8, 22, 0] > 128:
            raise RuntimeError("out of range")
        return super().update(frame)


class NotANumber(Static):
    def update(self, frame):
        return SimpleNamespace(box=np.full(4, np.nan))


class Dying(Static):
    """Takes its process with it when the target has walked far, as the kernel does when memory runs out."""

    def update(self, frame):
        if frame[8, 22, 0] > 128:
            os._exit(1)
        return super().update(frame)


KINDS = {"static": Static, "perfect": Perfect, "broken": Broken, "nan": NotANumber, "dying": Dying}


def load(checkpoint, device):
    return KINDS[checkpoint.read_text().split()[0]]()
