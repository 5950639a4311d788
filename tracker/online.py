"""The tracker itself: `init` on the first frame, `update` on each one after it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from b2nn.packed.file import is_packed
from datasets.crops import crop
from tracker.checkpoint import load_checkpoint
from tracker.errors import TrackerError
from tracker.frames import COLOURS, Colour, as_bgr
from tracker.localize import (
    AnchorFreeLocalizer,
    AnchorFreeOptions,
    ScaleSearchLocalizer,
    ScaleSearchOptions,
    Target,
    template_region,
)
from tracker.models import Network, SiamFCConfig
from tracker.packed import PackedTrackerNetwork, choose_packed, load_packed, pack_network
from tracker.typed import typed


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


class SiameseTracker:
    """Tracks one target with a Siamese network; `update` makes one network call.

    A target that is lost stays where it was last seen, at its size, and one place around it is searched in every
    frame (`SEARCH_PATTERN`) without the cosine window until the score says that it is found.

    Args:
        network: trained network; several trackers may share one.
        tracking: fields of `LostOptions` and of the network's own `AnchorFreeOptions` or `ScaleSearchOptions`.
        colour: order of the frames' channels, "bgr" as OpenCV reads them or "rgb" as others do.

    Raises:
        TrackerError: unknown options.
    """

    def __init__(self, network: Network | PackedTrackerNetwork, tracking: Mapping[str, Any] | None = None,
                 colour: Colour = "bgr") -> None:
        if colour not in COLOURS:
            raise TrackerError(f"colour {colour!r}: frames are one of {', '.join(COLOURS)}")
        self.network, self.colour = network.eval(), colour
        options = dict(tracking or {})
        lost = {entry.name: options.pop(entry.name) for entry in fields(LostOptions) if entry.name in options}
        self.lost_options: LostOptions = typed(LostOptions, lost, "tracking")
        self.localize: AnchorFreeLocalizer | ScaleSearchLocalizer
        if isinstance(network.config, SiamFCConfig):
            self.localize = ScaleSearchLocalizer(network, typed(ScaleSearchOptions, options, "tracking"))
        else:
            self.localize = AnchorFreeLocalizer(network, typed(AnchorFreeOptions, options, "tracking"))
        self._target: Target | None = None

    def __copy__(self) -> SiameseTracker:
        """A tracker of its own, in the same state, that shares the weights; it may run in another thread."""
        twin = SiameseTracker.__new__(SiameseTracker)
        twin.__dict__ |= self.__dict__
        if isinstance(self.network, PackedTrackerNetwork):  # has maps that two threads must not write at once
            twin.network, twin.localize = self.network.twin(), copy.copy(self.localize)
            twin.localize.network = twin.network
        return twin

    @torch.inference_mode()
    def init(self, frame: np.ndarray | torch.Tensor, box: np.ndarray) -> None:
        """Show the target.

        Args:
            frame: see `tracker.frames.as_bgr`; OpenCV's (H, W, 3) uint8 are taken as they are.
            box: (4,) x, y, w, h in pixels, 0-based; may reach beyond the frame but must meet it.

        Raises:
            TrackerError: not such a frame, or a box without area or outside the frame.
        """
        image = as_bgr(frame, self.colour)
        self._target = _checked(box, image)
        self._fill = image.mean(axis=(0, 1))
        self._weak_frames, self._lost_frames = 0, 0
        size = self.network.config.template_size
        patch = crop(image, template_region(self._target), size, self._fill)
        device = next(self.network.parameters()).device
        template = torch.from_numpy(patch).to(device).permute(2, 0, 1)[None]
        self._kernel = self.network.embed(template)

    @torch.inference_mode()
    def update(self, frame: np.ndarray | torch.Tensor) -> Result:
        """Find the target in the next frame.

        Raises:
            TrackerError: `init` was not called, or the frame is no image.
        """
        if self._target is None:
            raise TrackerError("update was called before init")
        image = as_bgr(frame, self.colour)
        last, lost = self._target, self._lost_frames > 0
        candidate = self.localize(image, self._kernel, last, self._search_centre(image), self._fill, not lost)
        if not lost or candidate.score >= self.lost_options.found_above:
            # A weak response must not move a target for long: it may be somebody else.
            self._target = _inside(candidate.target, image)
            self._lost_frames = 0
        self._count(candidate.score)
        target = self._target
        box = np.array([target.cx - target.width / 2, target.cy - target.height / 2, target.width, target.height])
        return Result(box, candidate.score, self._lost_frames > 0)

    def _search_centre(self, image: np.ndarray) -> tuple[float, float]:
        target = self._target
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
        self._weak_frames = self._weak_frames + 1 if score < self.lost_options.lost_below else 0
        if self._weak_frames >= self.lost_options.lost_frames:
            self._weak_frames, self._lost_frames = 0, 1


def load_tracker(checkpoint: Path, device: str = "cpu", packed: bool = False, colour: Colour = "bgr") -> SiameseTracker:
    """The tracker of a file written by this project, or of a published SiamFC or NanoTrack one.

    Args:
        packed: pack the network of a checkpoint. That of a file that `b2track export --format packed` wrote is.
        colour: order of the frames' channels.

    Raises:
        CheckpointError: the file cannot be read or holds another architecture.
        TrackerError: a packed network is to run elsewhere than on the CPU.
        B2nnError: the network has no packed form.
    """
    if checkpoint.is_file() and is_packed(checkpoint):
        choose_packed(True, device)
        network, tracking = load_packed(checkpoint)
        return SiameseTracker(network, tracking, colour)
    if packed:
        choose_packed(True, device)
    plain, stored = load_checkpoint(checkpoint, device)
    if not packed:
        return SiameseTracker(plain, stored.tracking, colour)
    return SiameseTracker(PackedTrackerNetwork(pack_network(plain, stored)), stored.tracking, colour)


def _checked(box: np.ndarray, image: np.ndarray) -> Target:
    try:
        x, y, w, h = np.asarray(box, dtype=np.float64).ravel().tolist()
    except (TypeError, ValueError):
        raise TrackerError(f"an init box is four numbers x, y, w, h, not {box!r}") from None
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
