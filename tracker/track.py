"""One target from frame to frame: where it was last, what it looks like, and whether it is lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import expit, logit

from datasets.crops import crop
from tracker.boxes import as_box
from tracker.localize import Candidate, Search, Target, template_region
from tracker.models import Network
from tracker.packed import PackedTrackerNetwork


class Result(NamedTuple):
    """What one frame says.

    Attributes:
        box: (4,) float64 x, y, w, h in pixels, 0-based; where the target was last seen while it is lost.
        score: 0 (gone) to 1 (sure), of this frame and, less and less, of those before.
        lost: the score fell too low, and the target is being searched for.
    """

    box: np.ndarray
    score: float
    lost: bool


@dataclass(frozen=True)
class LostOptions:
    """What the score remembers, when a target counts as lost, and when as found again.

    The network is surest of what it was shown, but far from unsure of much else: right places mostly have above .95,
    those taken for a hidden target often .5 to .9. So the thresholds lie high; their gap is the hysteresis.

    Attributes:
        score_memory: share of the past in the score, whose log-odds are averaged; 0 is none, below 1.
        lost_below: a lower score, and the target is lost. A place with such a probability counts as seen.
        found_above: one frame in which the network gives such a probability ends the search.
    """

    score_memory: float = 0.7
    lost_below: float = 0.6
    found_above: float = 0.9


LEAST = 1e-4
"""Probabilities are taken to be this far from 0 and 1, so that no single frame decides alone."""

# While lost, each frame searches one of these places, in sides of the template region around the last one seen.
SEARCH_PATTERN = ((0, 0), (1, 0), (0, 1), (-1, 0), (0, -1), (0, 0), (1, 1), (-1, 1), (-1, -1), (1, -1))


@dataclass(frozen=True)
class Track:
    """State of one target; made by `start_track`, and anew by each frame, so that it can be kept and gone back to.

    Attributes:
        target: where it is, or was last seen.
        kernel: what the network made of its template.
        fill: (3,) mean colour of its first frame.
        seen: the last place where the network was not unsure of it.
        log_odds: the score's; it begins with one that is sure.
        lost_frames: for how many it has been lost, 0 while it is not.
    """

    target: Target
    kernel: torch.Tensor
    fill: np.ndarray
    options: LostOptions
    seen: Target
    log_odds: float
    lost_frames: int = 0

    def search(self, image: np.ndarray) -> Search:
        """Where to look for it in the next frame, (H, W, 3) BGR."""
        return Search(self.kernel, self.target, self._search_centre(image), self.fill, not self.lost_frames)

    def take(self, candidate: Candidate, image: np.ndarray) -> tuple[Track, Result]:
        """The track after the next frame, and what is said of that frame, given the best place found in it."""
        options, own = self.options, float(logit(np.clip(candidate.score, LEAST, 1 - LEAST)))
        if self.lost_frames and candidate.score < options.found_above:
            track = replace(self, log_odds=self._averaged(own), lost_frames=self.lost_frames + 1)
        else:
            target = _inside(candidate.target, image)
            seen = target if candidate.score >= options.lost_below else self.seen
            log_odds = own if self.lost_frames else self._averaged(own)  # what is found starts afresh
            lost = expit(log_odds) < options.lost_below
            # Weak responses may have led away from it, to somebody else.
            track = replace(self, target=seen if lost else target, seen=seen, log_odds=log_odds, lost_frames=int(lost))
        cx, cy, width, height = track.target
        box = np.array([cx - width / 2, cy - height / 2, width, height])
        return track, Result(box, float(expit(track.log_odds)), track.lost_frames > 0)

    def _search_centre(self, image: np.ndarray) -> tuple[float, float]:
        target = self.target
        if not self.lost_frames:
            return target.cx, target.cy
        step = template_region(target).side
        dx, dy = SEARCH_PATTERN[(self.lost_frames - 1) % len(SEARCH_PATTERN)]
        height, width = image.shape[:2]
        return float(np.clip(target.cx + dx * step, 0, width)), float(np.clip(target.cy + dy * step, 0, height))

    def _averaged(self, log_odds: float) -> float:
        memory = self.options.score_memory
        return memory * self.log_odds + (1 - memory) * log_odds


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
    return Track(target, network.embed(template), fill, options, seen=target, log_odds=float(logit(1 - LEAST)))


def _inside(target: Target, image: np.ndarray) -> Target:
    """Centre on the image, and a size of at least one pixel and at most the image's."""
    height, width = image.shape[:2]
    return Target(
        float(np.clip(target.cx, 0, width)),
        float(np.clip(target.cy, 0, height)),
        float(np.clip(target.width, 1, width)),
        float(np.clip(target.height, 1, height)),
    )
