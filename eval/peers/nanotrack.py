"""NanoTrack v2 and v3 from their published ONNX files (github HonglinChu/SiamTrackers, Apache-2.0).

Cropping, penalty, window and smoothing follow that project's PyTorch tracker. OpenCV's TrackerNano is another one
(RGB, other constants).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from datasets.crops import context_side, resample
from eval.peers.onnx_models import read_model, with_any_size
from eval.peers.result import Result
from tracker.onnx_session import session

TEMPLATE, SEARCH, STRIDE = 127, 255, 16  # pixels
MIN_SIZE = 10.0  # pixels; no box gets smaller


@dataclass(frozen=True)
class Version:
    """What differs between the versions.

    Attributes:
        cells: side of the score map.
        window_influence: weight of the Hann window against the score, 0 to 1.
        penalty_k: strength of the penalty on changes of size and aspect ratio.
        size_lr: how fast the size follows the prediction, times penalty and score, 0 to 1.
    """

    cells: int
    window_influence: float
    penalty_k: float
    size_lr: float


VERSIONS = {
    "nanotrack_v2": Version(cells=16, window_influence=0.490, penalty_k=0.150, size_lr=0.385),
    "nanotrack_v3": Version(cells=15, window_influence=0.455, penalty_k=0.138, size_lr=0.348),
}


def files(name: str, folder: Path) -> tuple[Path, Path]:
    """Backbone and head of a version in a folder; `name` is a key of `VERSIONS`."""
    stem = name.replace("_", "")
    return folder / f"{stem}_backbone.onnx", folder / f"{stem}_head.onnx"


class NanoTrack:
    """One target; `update` runs backbone and head once.

    Args:
        backbone, head: the two ONNX files.
        version: their constants.
        threads: of onnxruntime, on the CPU.

    Raises:
        DataError: a file is missing or not ONNX, or the packages that read it are not installed.
    """

    def __init__(self, backbone: Path, head: Path, version: Version, threads: int) -> None:
        self.backbone = session(with_any_size(read_model(backbone)), threads)
        self.head = session(read_model(head), threads)
        self.version = version
        offsets = STRIDE * (np.arange(version.cells) - version.cells // 2)
        self.grid = np.stack(np.meshgrid(offsets, offsets))  # (2, H, W) x, y from the middle of the search crop
        self.window = np.outer(np.hanning(version.cells), np.hanning(version.cells))  # (H, W)

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Show the target: x, y, w, h in a (H, W, 3) uint8 BGR frame."""
        # The reference counts from the middle of pixels here, but not where it returns a box: its boxes lie half a
        # pixel to the upper left. It makes up for crops that lie as far off (`_crop`), so both are kept.
        self.centre, self.size = box[:2] + (box[2:] - 1) / 2, box[2:]
        self.fill = frame.mean(axis=(0, 1))
        crop = self._crop(frame, context_side(*self.size), TEMPLATE)
        self.template = self.backbone.run(None, {"input": crop})[0]

    def update(self, frame: np.ndarray) -> Result:
        """Find the target in the next frame."""
        zoom = TEMPLATE / context_side(*self.size)
        logits, distances = self.respond(self.crop_search(frame))
        score = expit(logits[0, 1] - logits[0, 0])  # (H, W), softmax of background and target
        left, top, right, bottom = distances[0].astype(np.float64) / zoom  # each (H, W), image pixels

        size = np.stack([left + right, top + bottom])  # (2, H, W)
        penalty = size_penalty(size, self.size, self.version.penalty_k)
        influence = self.version.window_influence
        ranking = penalty * score * (1 - influence) + self.window * influence
        best = np.unravel_index(int(ranking.argmax()), ranking.shape)

        rate = penalty[best] * score[best] * self.version.size_lr
        centre = self.grid / zoom + np.stack([right - left, bottom - top]) / 2  # (2, H, W) from the old one
        bound = np.array([frame.shape[1], frame.shape[0]])
        row, column = best
        self.centre = np.clip(self.centre + centre[:, row, column], 0, bound)
        self.size = np.clip(self.size * (1 - rate) + size[:, row, column] * rate, MIN_SIZE, bound)
        return Result(np.concatenate([self.centre - self.size / 2, self.size]), float(score[best]))

    def crop_search(self, frame: np.ndarray) -> np.ndarray:
        """What `respond` takes, (1, 3, SEARCH, SEARCH) float32, of the region around the last box."""
        return self._crop(frame, context_side(*self.size) * SEARCH / TEMPLATE, SEARCH)

    def respond(self, crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The network's maps: (1, 2, H, W) logits of ground and target, (1, 4, H, W) distances to the sides."""
        features = self.backbone.run(None, {"input": crop})[0]
        logits, distances = self.head.run(None, {"input1": self.template, "input2": features})
        return logits, distances

    def _crop(self, frame: np.ndarray, side: float, pixels: int) -> np.ndarray:
        """The square around the target as (1, 3, pixels, pixels) float32, 0 to 255; whole pixels, as the reference."""
        side = round(side)
        x, y = np.floor(self.centre - side / 2)
        patch = resample(frame, (x, y), (side / pixels, side / pixels), pixels, self.fill)
        return patch.transpose(2, 0, 1)[None].astype(np.float32)


def size_penalty(size: np.ndarray, last: np.ndarray, k: float) -> np.ndarray:
    """exp(-k (size change * ratio change - 1)) of each cell, (H, W) in 0..1 (SiamRPN, CVPR 2018).

    Args:
        size: (2, H, W) width and height of the boxes found.
        last: (2,) width and height before, in the same unit.
        k: strength.
    """
    def change(ratio: np.ndarray) -> np.ndarray:
        return np.maximum(ratio, 1 / ratio)

    width, height = size
    margin = (width + height) / 2
    side = np.sqrt((width + margin) * (height + margin)) / context_side(*last)
    return np.exp(-k * (change(side) * change(width / height / (last[0] / last[1])) - 1))
