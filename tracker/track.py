"""One target from frame to frame: where it was last, what it looks like, and whether it is lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from datasets.crops import crop
from tracker.errors import TrackerError
from tracker.localize import Candidate, Search, Target, template_region
from tracker.models import Network
from tracker.packed import PackedTrackerNetwork


class Result(NamedTuple):
    """What one frame says.

    Attributes:
        box: (4,) float64 x, y, w, h in pixels, 0-based; where the target was last seen while it is lost.
        score: 0 (gone) to 1 (sure).
        lost: the target has not been seen for some frames and is being searched for.
    """

    box: np.ndarray
    score: float
    lost: bool


@dataclass(frozen=True)
class LostOptions:
    """When a target counts as lost, and as found again; the gap between the two scores is the hysteresis.

    Attributes:
        lost_below, lost_frames: the score stays below this for so many frames in a row.
        found_above: one frame with such a score ends the search.
    """

    lost_below: float = 0.1
    lost_frames: int = 10
    found_above: float = 0.6


# While lost, each frame searches one of these places, in sides of the template region around the last one seen.
SEARCH_PATTERN = ((0, 0), (1, 0), (0, 1), (-1, 0), (0, -1), (0, 0), (1, 1), (-1, 1), (-1, -1), (1, -1))


@dataclass
class Track:
    """State of one target; made by `start_track`.

    Attributes:
        target: where it is, or was last seen.
        kernel: what the network made of its template.
        fill: (3,) mean colour of its first frame.
    """

    target: Target
    kernel: torch.Tensor
    fill: np.ndarray
    options: LostOptions
    _weak_frames: int = 0
    _lost_frames: int = 0

    def search(self, image: np.ndarray) -> Search:
        """Where to look for it in the next frame, (H, W, 3) BGR."""
        return Search(self.kernel, self.target, self._search_centre(image), self.fill, not self._lost_frames)

    def take(self, candidate: Candidate, image: np.ndarray) -> Result:
        """What is made of the best place that was found in that frame."""
        if not self._lost_frames or candidate.score >= self.options.found_above:
            # A weak response must not move a target for long: it may be somebody else.
            self.target = _inside(candidate.target, image)
            self._lost_frames = 0
        self._count(candidate.score)
        target = self.target
        box = np.array([target.cx - target.width / 2, target.cy - target.height / 2, target.width, target.height])
        return Result(box, candidate.score, self._lost_frames > 0)

    def _search_centre(self, image: np.ndarray) -> tuple[float, float]:
        target = self.target
        if not self._lost_frames:
            return target.cx, target.cy
        step = template_region(target).side
        dx, dy = SEARCH_PATTERN[self._lost_frames % len(SEARCH_PATTERN)]
        height, width = image.shape[:2]
        return float(np.clip(target.cx + dx * step, 0, width)), float(np.clip(target.cy + dy * step, 0, height))

    def _count(self, score: float) -> None:
        """Keep the numbers of frames in a row that were weak, and that the target has been lost for."""
        if self._lost_frames:
            self._lost_frames += 1
            return
        self._weak_frames = self._weak_frames + 1 if score < self.options.lost_below else 0
        if self._weak_frames >= self.options.lost_frames:
            self._weak_frames, self._lost_frames = 0, 1


def start_track(network: Network | PackedTrackerNetwork, image: np.ndarray, box: np.ndarray,
                options: LostOptions) -> Track:
    """A track of the target in a box x, y, w, h of an image (H, W, 3) BGR.

    Raises:
        TrackerError: a box without area or outside the image.
    """
    target, fill = _checked(box, image), image.mean(axis=(0, 1))
    patch = crop(image, template_region(target), network.config.template_size, fill)
    device = next(network.parameters()).device
    template = torch.from_numpy(patch).to(device).permute(2, 0, 1)[None]
    return Track(target, network.embed(template), fill, options)


def _checked(box: np.ndarray, image: np.ndarray) -> Target:
    x, y, w, h = (float(value) for value in np.asarray(box, dtype=np.float64).reshape(4))
    height, width = image.shape[:2]
    if not np.isfinite([x, y, w, h]).all() or w <= 0 or h <= 0:
        raise TrackerError(f"init box {x:g},{y:g},{w:g},{h:g} has no area")
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        raise TrackerError(f"init box {x:g},{y:g},{w:g},{h:g} is outside the frame of {width}x{height} pixels")
    return Target(x + w / 2, y + h / 2, w, h)


def _inside(target: Target, image: np.ndarray) -> Target:
    """Centre on the image, and a size of at least one pixel and at most the image's."""
    height, width = image.shape[:2]
    return Target(
        float(np.clip(target.cx, 0, width)),
        float(np.clip(target.cy, 0, height)),
        float(np.clip(target.width, 1, width)),
        float(np.clip(target.height, 1, height)),
    )
