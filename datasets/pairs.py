"""Training pairs: a template and a search crop, drawn from caches as a pure function of seed and index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.utils.data import Dataset

from datasets.cached_crops import anchor_box
from datasets.crops import Region, context_side
from datasets.errors import DataError
from datasets.lmdb_cache import LmdbCache
from datasets.transforms import ColourRange, ViewRange, random_colour, random_view


@dataclass(frozen=True)
class PairOptions:
    """How pairs are drawn.

    Attributes:
        template_size: side of the template crop, pixels.
        search_size: side of the search crop, pixels; at the same scale as the template.
        context: margin around the target, as a share of width + height.
        max_gap: largest distance of the two frames of a pair.
        negative: share of pairs whose search crop does not show the target.
        grey: share of pairs without colour.
        mirror: whether half of the pairs are mirrored.
        template_view: jitter of the template.
        search_view: place and size of the target in the search crop.
        colour: photometric changes, drawn for each crop by itself.
    """

    template_size: int = 127
    search_size: int = 255
    context: float = 0.5
    max_gap: int = 100
    negative: float = 0.1
    grey: float = 0.1
    mirror: bool = True
    template_view: ViewRange = field(default_factory=lambda: ViewRange(shift=4, scale=0.05))
    search_view: ViewRange = field(default_factory=lambda: ViewRange(shift=64, scale=0.2, aspect=0.1))
    colour: ColourRange = field(default_factory=ColourRange)


@dataclass(frozen=True)
class _Shot:
    """One frame of one cached sequence."""

    cache: int
    name: str
    frame: int


class PairDataset(Dataset):
    """Pairs from several caches.

    A cache is drawn by its weight, then one of its sequences uniformly, then a frame that shows the target as
    template and, at most `max_gap` frames away, another one as search frame. A single image gives two views
    of itself. A negative pair searches in a frame from which the target is absent, or in another sequence.

    Args:
        caches: complete caches; pairs come from all of them.
        length: number of pairs.
        seed: item `index` depends on the seed and the index alone, so that a resumed run sees the same data.
        options: how pairs are drawn.
        weights: share of each cache; equal by default.

    Raises:
        DataError: there is no cache, or the weights do not fit the caches.
    """

    def __init__(self, caches: Sequence[LmdbCache], length: int, seed: int,
                 options: PairOptions | None = None, weights: Sequence[float] | None = None) -> None:
        if not caches:
            raise DataError("no caches to draw training pairs from")
        shares = np.asarray(weights if weights is not None else [1.0] * len(caches), dtype=np.float64)
        if len(shares) != len(caches) or not (shares >= 0).all() or not shares.sum() > 0:
            raise DataError(f"weights {shares.tolist()} do not fit {len(caches)} caches; give each a share")
        self.caches = list(caches)
        self.length = length
        self.seed = seed
        self.options = options or PairOptions()
        self._cumulative = np.cumsum(shares / shares.sum())

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Pair `index`.

        Returns:
            ``template`` (3, 127, 127) and ``search`` (3, 255, 255) uint8 BGR; ``box`` (4,) float32 x1, y1,
            x2, y2 in pixels of the search crop, zeros where the target is not there; ``positive`` float32, 1
            or 0.
        """
        if not 0 <= index < self.length:
            raise IndexError(index)
        rng = np.random.default_rng((self.seed, index))
        template_shot, search_shot, positive = self._draw(rng)
        mirror = self.options.mirror and rng.random() < 0.5
        grey = rng.random() < self.options.grey
        template, _ = self._crop(rng, template_shot, self.options.template_size, self.options.template_view,
                                 mirror, grey)
        search, box = self._crop(rng, search_shot, self.options.search_size, self.options.search_view,
                                 mirror, grey)
        positive = positive and _centre_inside(box, self.options.search_size)
        return {
            "template": template,
            "search": search,
            "box": torch.from_numpy(box if positive else np.zeros(4)).float(),
            "positive": torch.tensor(float(positive)),
        }

    def _draw(self, rng: np.random.Generator) -> tuple[_Shot, _Shot, bool]:
        cache, name = self._sequence(rng)
        visible = self.caches[cache].visible(name)
        shown = np.flatnonzero(visible)
        template = int(rng.choice(shown))
        if rng.random() < self.options.negative:
            search = self._without_target(rng, cache, name, visible)
            if search is not None:
                return _Shot(cache, name, template), search, False
        near = shown[np.abs(shown - template) <= self.options.max_gap]
        return _Shot(cache, name, template), _Shot(cache, name, int(rng.choice(near))), True

    def _without_target(self, rng: np.random.Generator, cache: int, name: str,
                        visible: np.ndarray) -> _Shot | None:
        """An absent frame of the sequence, or a frame of another one; None where there is neither."""
        absent = np.flatnonzero(~visible)
        if len(absent) and rng.random() < 0.5:
            return _Shot(cache, name, int(rng.choice(absent)))
        for _ in range(8):
            other, other_name = self._sequence(rng)
            if (other, other_name) != (cache, name):
                shown = np.flatnonzero(self.caches[other].visible(other_name))
                return _Shot(other, other_name, int(rng.choice(shown)))
        return None

    def _sequence(self, rng: np.random.Generator) -> tuple[int, str]:
        cache = min(int(np.searchsorted(self._cumulative, rng.random(), side="right")), len(self.caches) - 1)
        names = self.caches[cache].names
        return cache, names[int(rng.integers(len(names)))]

    def _crop(self, rng: np.random.Generator, shot: _Shot, size: int, limits: ViewRange, mirror: bool,
              grey: bool) -> tuple[torch.Tensor, np.ndarray]:
        """A view of the frame (3, size, size) uint8, and where the target is in it: (4,) x1, y1, x2, y2."""
        cache = self.caches[shot.cache]
        x, y, width, height = box = anchor_box(cache.boxes(shot.name), cache.visible(shot.name), shot.frame)
        side = context_side(width, height, self.options.context) * size / self.options.template_size
        view = random_view(rng, Region(x + width / 2, y + height / 2, side), size, limits, mirror)
        image = random_colour(rng, view.sample(cache.crop(shot.name, shot.frame)), self.options.colour, grey)
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))), view.corners(box)


def _centre_inside(box: np.ndarray, size: int) -> bool:
    centre = (box[:2] + box[2:]) / 2
    return bool(((centre >= 0) & (centre < size)).all())
