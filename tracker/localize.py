"""From the network's maps to candidate boxes: penalties, window, smoothing. One network call for all targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from datasets.crops import Region, context_side, crop
from datasets.opencv import cv2
from tracker.models import NanoTrack, Predictions, SiameseNetwork, SiamFC


class Target(NamedTuple):
    """Where the target is: centre and size in image pixels, continuous coordinates."""

    cx: float
    cy: float
    width: float
    height: float


class Search(NamedTuple):
    """One target to look for.

    Attributes:
        kernel: what the network made of its template.
        target: where it was last; it is expected at this size.
        centre: x, y that are searched around.
        fill: (3,) colour of what lies outside the image.
        use_window: prefer the centre.
    """

    kernel: torch.Tensor
    target: Target
    centre: tuple[float, float]
    fill: np.ndarray
    use_window: bool


class Candidate(NamedTuple):
    """The best place in a search region, and how sure the network is of it (0 to 1)."""

    target: Target
    score: float


@dataclass(frozen=True)
class AnchorFreeOptions:
    """How the maps of the anchor-free head are read.

    Attributes:
        window_influence: weight of the cosine window against the score, 0 to 1.
        penalty_k: strength of the penalty on changes of scale and aspect ratio between frames.
        size_lr: how fast the size follows the prediction, times score and penalty, 0 to 1.
    """

    window_influence: float = 0.4
    penalty_k: float = 0.1
    size_lr: float = 0.4


@dataclass(frozen=True)
class ScaleSearchOptions:
    """How SiamFC's response is read; the defaults are those of the siamfc-pytorch project.

    Attributes:
        scales: number of scales tried, odd.
        scale_step: ratio between neighbouring scales.
        scale_penalty: factor on the responses of all scales but the middle one.
        scale_lr: how fast the size follows the best scale, 0 to 1.
        window_influence: weight of the cosine window against the normalized response, 0 to 1.
        upsampling: factor by which responses are enlarged before the peak is read.
    """

    scales: int = 3
    scale_step: float = 1.0375
    scale_penalty: float = 0.9745
    scale_lr: float = 0.59
    window_influence: float = 0.176
    upsampling: int = 16


MIN_SIDE = 8.0  # pixels; a template region of a 1-pixel box is widened to this


def template_region(target: Target) -> Region:
    return Region(target.cx, target.cy, max(context_side(target.width, target.height), MIN_SIDE))


class AnchorFreeLocalizer:
    """Reads the anchor-free head as SiamRPN++ and SiamCAR do (penalty, window, smoothed size)."""

    def __init__(self, network: SiameseNetwork | NanoTrack, options: AnchorFreeOptions) -> None:
        self.network, self.options = network, options
        self.size = network.config.search_size
        self.grid = network.grid().cpu().numpy()  # (2, H, W)
        # The cells are not symmetric about the crop's middle, so the window is laid over positions, not indices.
        offset = (self.grid - self.size / 2) / (self.size / 2)  # -1..1
        self.window = np.prod(0.5 + 0.5 * np.cos(np.pi * np.clip(offset, -1, 1)), axis=0)  # (H, W)

    def __call__(self, image: np.ndarray, searches: Sequence[Search]) -> list[Candidate]:
        """The best place for each target of one image."""
        regions = [self._region(search) for search in searches]
        patches = [crop(image, region, self.size, search.fill)
                   for region, search in zip(regions, searches, strict=True)]
        kernels = _kernels(searches)
        predictions = self.network(kernels, _to_batch(patches, kernels.device))
        return [self._read(search, region, *_arrays(predictions, number))
                for number, (search, region) in enumerate(zip(searches, regions, strict=True))]

    def _region(self, search: Search) -> Region:
        factor = self.size / self.network.config.template_size
        return Region(*search.centre, template_region(search.target).side * factor)

    def _read(self, search: Search, region: Region, cls: np.ndarray, centerness: np.ndarray,
              box: np.ndarray) -> Candidate:
        target, zoom = search.target, self.size / region.side
        width, height = box[0] + box[2], box[1] + box[3]  # (H, W), pixels of the crop
        penalty = self._penalty(width, height, target.width * zoom, target.height * zoom)
        ranking = cls * centerness * penalty
        if search.use_window:
            influence = self.options.window_influence
            ranking = ranking * (1 - influence) + self.window * influence
        best = np.unravel_index(int(ranking.argmax()), ranking.shape)

        rate = float(penalty[best] * cls[best]) * self.options.size_lr
        cx = self.grid[0][best] + (box[2][best] - box[0][best]) / 2
        cy = self.grid[1][best] + (box[3][best] - box[1][best]) / 2
        return Candidate(Target(
            cx=region.left + float(cx) / zoom,
            cy=region.top + float(cy) / zoom,
            width=target.width * (1 - rate) + float(width[best]) / zoom * rate,
            height=target.height * (1 - rate) + float(height[best]) / zoom * rate,
        ), float(cls[best]))

    def _penalty(self, width: np.ndarray, height: np.ndarray, last_width: float, last_height: float) -> np.ndarray:
        """exp(-k (scale change * ratio change - 1)), (H, W) (SiamRPN, CVPR 2018)."""
        def change(ratio: np.ndarray) -> np.ndarray:
            return np.maximum(ratio, 1 / ratio)

        def padded(w: np.ndarray, h: np.ndarray) -> np.ndarray:
            return np.sqrt((w + (w + h) / 2) * (h + (w + h) / 2))

        last = padded(np.float64(last_width), np.float64(last_height))
        scale = change(padded(width, height) / last)
        ratio = change((width / height) / (last_width / last_height))
        return np.exp(-(scale * ratio - 1) * self.options.penalty_k)


class ScaleSearchLocalizer:
    """Reads SiamFC's response at several scales, which share one batched network call (arXiv 1606.09549)."""

    def __init__(self, network: SiamFC, options: ScaleSearchOptions) -> None:
        self.network, self.options = network, options
        self.factors = options.scale_step ** (np.arange(options.scales) - options.scales // 2)

    def __call__(self, image: np.ndarray, searches: Sequence[Search]) -> list[Candidate]:
        """The best place and scale for each target of one image."""
        size, kernels = self.network.config.search_size, _kernels(searches)
        sides = [self._side(search.target) for search in searches]
        # Targets within scales: crop i belongs to kernel i modulo their number.
        patches = [crop(image, Region(*search.centre, side * factor), size, search.fill)
                   for factor in self.factors for search, side in zip(searches, sides, strict=True)]
        logits = self.network(kernels, _to_batch(patches, kernels.device)).float().cpu().numpy()  # (S T, H, W)
        return [self._read(search, side, logits[number::len(searches)])
                for number, (search, side) in enumerate(zip(searches, sides, strict=True))]

    def _side(self, target: Target) -> float:
        return template_region(target).side * self.network.config.search_size / self.network.config.template_size

    def _read(self, search: Search, side: float, logits: np.ndarray) -> Candidate:  # (S, H, W)
        options, target = self.options, search.target
        up = logits.shape[-1] * options.upsampling
        responses = np.stack([cv2.resize(response, (up, up), interpolation=cv2.INTER_CUBIC) for response in logits])
        weights = np.full(len(responses), options.scale_penalty)
        weights[len(weights) // 2] = 1.0
        best = int((responses.max(axis=(1, 2)) * weights).argmax())

        response = responses[best] - responses[best].min()
        response /= response.sum() + 1e-16
        if search.use_window:
            window = np.outer(np.hanning(up), np.hanning(up))
            response = (1 - options.window_influence) * response + options.window_influence * window / window.sum()
        row, column = np.unravel_index(int(response.argmax()), response.shape)

        pixel = self.network.stride / options.upsampling * side * self.factors[best] / self.network.config.search_size
        middle = (up - 1) / 2
        growth = (1 - options.scale_lr) + options.scale_lr * self.factors[best]
        peak = float(logits[best].max())
        return Candidate(Target(
            cx=search.centre[0] + (column - middle) * pixel,
            cy=search.centre[1] + (row - middle) * pixel,
            width=target.width * growth,
            height=target.height * growth,
        ), float(1 / (1 + np.exp(-np.clip(peak, -50, 50)))))


def _kernels(searches: Sequence[Search]) -> torch.Tensor:
    """(T, C, h, w); one target's as it is."""
    return searches[0].kernel if len(searches) == 1 else torch.cat([search.kernel for search in searches])


def _to_batch(patches: list[np.ndarray], device: torch.device) -> torch.Tensor:
    """(N, 3, size, size) uint8 in channels-last order, which is how OpenCV lays pixels out."""
    batch = patches[0][None] if len(patches) == 1 else np.stack(patches)
    return torch.from_numpy(batch).to(device).permute(0, 3, 1, 2)


def _arrays(predictions: Predictions, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities (H, W), centerness (H, W) and distances (4, H, W) of one crop of the batch."""
    cls = predictions.cls[number].sigmoid()
    centerness = torch.ones_like(cls) if predictions.centerness is None else predictions.centerness[number].sigmoid()
    return cls.cpu().numpy(), centerness.cpu().numpy(), predictions.box[number].cpu().numpy()
