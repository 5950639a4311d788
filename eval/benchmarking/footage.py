"""The frames that all contestants see, and what their networks are shown of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datasets import images
from datasets.annotations import has_area, list_frames, read_boxes
from datasets.crops import Region, crop
from datasets.errors import DataError
from datasets.synthetic_media import find_media
from datasets.synthetic_scene import render
from datasets.synthetic_script import Difficulty, draw_scene
from tracker.localize import ScaleSearchOptions, Target, template_region
from tracker.online import SiameseTracker

SIZE = (854, 480)
"""Width and height of generated frames, pixels."""
_SEED = 1  # of a scene whose target is some 100 x 60 pixels at first


@dataclass(frozen=True, eq=False)
class Footage:
    """Frames of one target, one more than updates are timed on.

    Attributes:
        frames: (H, W, 3) uint8 BGR, in memory: decoding is no contestant's work.
        boxes: (N, 4) x, y, w, h in pixels, 0-based.
    """

    frames: list[np.ndarray]
    boxes: np.ndarray

    def template(self, size: int) -> Tensor:
        """(1, 3, size, size) float32 BGR in 0..255, of the first frame."""
        return self._patch(0, 0, size, 1.0)[None]

    def searches(self, tracker: SiameseTracker) -> list[Tensor]:
        """What the network is given in each update, (crops, 3, size, size) float32 BGR in 0..255, channels last."""
        config, localizer = tracker.network.config, tracker.localize
        factor = config.search_size / config.template_size
        crops = localizer.options.scales if isinstance(localizer.options, ScaleSearchOptions) else 1
        return [torch.stack([self._patch(index, index - 1, config.search_size, factor)] * crops)
                .contiguous(memory_format=torch.channels_last) for index in range(1, len(self.frames))]

    def _patch(self, index: int, around: int, size: int, factor: float) -> Tensor:
        """(3, size, size) of a frame, around where the target was in the frame `around`."""
        x, y, w, h = self.boxes[around].tolist()
        image, target = self.frames[index], Target(x + w / 2, y + h / 2, w, h)
        region = Region(target.cx, target.cy, template_region(target).side * factor)
        return torch.from_numpy(crop(image, region, size, image.mean(axis=(0, 1)))).permute(2, 0, 1).float()


def read_footage(folder: Path, updates: int) -> Footage:
    """The first frames of a folder of images that holds ``groundtruth.txt`` too, as a sequence of GOT-10k does.

    Raises:
        DataError: no such folder, files that cannot be read, or fewer frames with a box.
    """
    paths, boxes = list_frames(folder), read_boxes(folder / "groundtruth.txt")
    shown = np.flatnonzero(has_area(boxes))[:updates + 1]
    if len(shown) <= updates or shown[-1] >= len(paths):
        raise DataError(f"--sequence {folder}: shows its target in {len(shown)} frames; {updates} updates need "
                        f"{updates + 1}, name a longer one or fewer --frames")
    return Footage([images.read(paths[index]) for index in shown], boxes[shown])


def generated_footage(updates: int) -> Footage:
    """A generated target that nothing hides, in frames of `SIZE`; the same every time."""
    rng = np.random.default_rng(_SEED)
    easy = Difficulty(speed=0.5, distractors=0, occlusion=0, partial=0, absence=0)
    scene = draw_scene(rng, max(updates + 1, 60), SIZE, easy, find_media(None, None, None))
    shots = islice(render(rng, scene), updates + 1)
    frames, boxes = zip(*((shot.image, shot.box) for shot in shots), strict=True)
    return Footage(list(frames), np.stack(boxes))
