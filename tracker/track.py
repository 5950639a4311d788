"""One target from frame to frame: where it was last, what it looks like, and whether it is lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from datasets.crops import crop
from tracker.boxes import as_box
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


@dataclass(frozen=True)
class Track:
    """State of one target; made by `start_track`, and anew by each frame, so that it can be kept and gone back to.

    Attributes:
        target: where it is, or was last seen.
        kernel: what the network made of its template.
        fill: (3,) mean colour of its first frame.
        weak_frames: how many in a row were weak up to now.
        lost_frames: for how many it has been lost, 0 while it is not.
    """

    target: Target
    kernel: torch.Tensor
    fill: np.ndarray
    options: LostOptions
    weak_frames: int = 0
    lost_frames: int = 0

    def search(self, image: np.ndarray) -> Search:
        """Where to look for it in the next frame, (H, W, 3) BGR."""
        return Search(self.kernel, self.target, self._search_centre(image), self.fill, not self.lost_frames)

    def take(self, candidate: Candidate, image: np.ndarray) -> tuple[Track, Result]:
        """The track after the next frame, and what is said of that frame, given the best place found in it."""
        lost = self.lost_frames > 0
        # A weak response must not move a target for long: it may be somebody else.
        found = lost and candidate.score >= self.options.found_above
        target = self.target if lost and not found else _inside(candidate.target, image)
        weak_frames, lost_frames = self._counted(candidate.score, lost and not found)
        track = replace(self, target=target, weak_frames=weak_frames, lost_frames=lost_frames)
        box = np.array([target.cx - target.width / 2, target.cy - target.height / 2, target.width, target.height])
        return track, Result(box, candidate.score, lost_frames > 0)

    def _search_centre(self, image: np.ndarray) -> tuple[float, float]:
        target = self.target
        if not self.lost_frames:
            return target.cx, target.cy
        step = template_region(target).side
        dx, dy = SEARCH_PATTERN[self.lost_frames % len(SEARCH_PATTERN)]
        height, width = image.shape[:2]
        return float(np.clip(target.cx + dx * step, 0, width)), float(np.clip(target.cy + dy * step, 0, height))

    def _counted(self, score: float, lost: bool) -> tuple[int, int]:
        """Numbers of frames in a row that were weak, and that the target has been lost for, after this one."""
        if lost:
            return self.weak_frames, self.lost_frames + 1
        weak_frames = self.weak_frames + 1 if score < self.options.lost_below else 0
        return (0, 1) if weak_frames >= self.options.lost_frames else (weak_frames, 0)


def start_track(network: Network | PackedTrackerNetwork, image: np.ndarray, box: np.ndarray,
                options: LostOptions) -> Track:
    """A track of the target in a box x, y, w, h of an image (H, W, 3) BGR.

    Raises:
        TrackerError: see `tracker.boxes.as_box`.
    """
    x, y, w, h = as_box(box, image).tolist()
    target, fill = Target(x + w / 2, y + h / 2, w, h), image.mean(axis=(0, 1))
    patch = crop(image, template_region(target), network.config.template_size, fill)
    device = next(network.parameters()).device
    template = torch.from_numpy(patch).to(device).permute(2, 0, 1)[None]
    return Track(target, network.embed(template), fill, options)


def _inside(target: Target, image: np.ndarray) -> Target:
    """Centre on the image, and a size of at least one pixel and at most the image's."""
    height, width = image.shape[:2]
    return Target(
        float(np.clip(target.cx, 0, width)),
        float(np.clip(target.cy, 0, height)),
        float(np.clip(target.width, 1, width)),
        float(np.clip(target.height, 1, height)),
    )
