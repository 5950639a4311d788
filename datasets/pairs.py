"""Training pairs: a template and a search crop, drawn from caches as a pure function of seed and index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch.utils.data import Dataset

from datasets.alpha import outline
from datasets.cached_crops import anchor_box
from datasets.crops import Region, context_side
from datasets.errors import DataError
from datasets.lmdb_cache import LmdbCache
from datasets.paste import PasteOptions, hides, paste, random_tint
from datasets.transforms import ColourRange, ViewRange, random_colour, random_region, random_view

# Draws of what may not fit, before it is left out.
_TRIES = 16
# Template and search crop (H, W, 3), the target's box (4,) x1, y1, x2, y2 or None, and the names of what they show.
_Crops = tuple[np.ndarray, np.ndarray, np.ndarray | None, set[str]]


@dataclass(frozen=True)
class PairOptions:
    """How pairs are drawn.

    Attributes:
        template_size: side of the template crop, pixels.
        search_size: side of the search crop, pixels; at the same scale as the template.
        context: margin around the target, as a share of width + height.
        max_gap: largest distance of the two frames of a pair.
        negative: share of pairs whose search crop does not show the target.
        anywhere: share of search crops that lie anywhere in what is stored of the frame, not around the target.
        grey: share of pairs without colour.
        mirror: whether half of the pairs are mirrored.
        template_view: jitter of the template.
        search_view: place and size of the target in the search crop.
        colour: photometric changes, drawn for each crop by itself.
        paste: how cut-out objects are pasted, where there are any.
    """

    template_size: int = 127
    search_size: int = 255
    context: float = 0.5
    max_gap: int = 100
    negative: float = 0.1
    anywhere: float = 0.0
    grey: float = 0.1
    mirror: bool = True
    template_view: ViewRange = field(default_factory=lambda: ViewRange(shift=4, scale=0.05))
    search_view: ViewRange = field(default_factory=lambda: ViewRange(shift=64, scale=0.2, aspect=0.1))
    colour: ColourRange = field(default_factory=ColourRange)
    paste: PasteOptions = field(default_factory=PasteOptions)


@dataclass(frozen=True)
class _Shot:
    """One frame of one cached sequence."""

    cache: LmdbCache
    name: str
    frame: int


class PairDataset(Dataset):
    """Pairs from several caches.

    A cache is drawn by its weight, then one of its sequences uniformly, then a frame that shows the target as
    template and, at most `max_gap` frames away, another one as search frame. A single image gives two views
    of itself. A negative pair searches in a frame from which the target is absent, or in another sequence. With
    `objects` some pairs are made of an object that is pasted on frames of the caches, and some search crops get one
    more object as a distractor. What is pasted and what it is pasted on never have one name: it may be the target.

    Args:
        caches: complete caches; pairs come from all of them.
        length: number of pairs.
        seed: item `index` depends on the seed and the index alone, so that a resumed run sees the same data.
        options: how pairs are drawn.
        weights: share of each cache; equal by default.
        objects: cache of cut-out objects (mode ``object``) to paste; none by default.

    Raises:
        DataError: there is no cache, the weights do not fit the caches, or `objects` is a cache of something else.
    """

    def __init__(self, caches: Sequence[LmdbCache], length: int, seed: int,
                 options: PairOptions | None = None, weights: Sequence[float] | None = None,
                 objects: LmdbCache | None = None) -> None:
        if not caches:
            raise DataError("no caches to draw training pairs from")
        shares = np.asarray(weights if weights is not None else [1.0] * len(caches), dtype=np.float64)
        if len(shares) != len(caches) or not (shares >= 0).all() or not shares.sum() > 0:
            raise DataError(f"weights {shares.tolist()} do not fit {len(caches)} caches; give each a share")
        if objects is not None and objects.options.mode != "object":
            raise DataError(f"{objects.folder}: holds no cut-out objects (mode {objects.options.mode})")
        self.caches = list(caches)
        self.objects = objects
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
        options = self.options
        rng = np.random.default_rng((self.seed, index))
        mirror = options.mirror and rng.random() < 0.5
        grey = rng.random() < options.grey
        pasted = self.objects is not None and rng.random() < options.paste.target
        template, search, box, names = (self._pasted if pasted else self._filmed)(rng, mirror)
        if box is not None and not _is_target(box, options.search_size):
            box = None
        if self.objects is not None and rng.random() < options.paste.distractor:
            search = self._distracted(rng, search, box, names)
        template, search = (random_colour(rng, crop, options.colour, grey) for crop in (template, search))
        return {
            "template": torch.from_numpy(np.ascontiguousarray(template.transpose(2, 0, 1))),
            "search": torch.from_numpy(np.ascontiguousarray(search.transpose(2, 0, 1))),
            "box": torch.from_numpy(np.zeros(4) if box is None else box).float(),
            "positive": torch.tensor(float(box is not None)),
        }

    def _filmed(self, rng: np.random.Generator, mirror: bool) -> _Crops:
        """A pair of two frames."""
        options = self.options
        template_shot, search_shot, positive = self._draw(rng)
        anywhere = rng.random() < options.anywhere
        template, _ = self._crop(rng, template_shot, options.template_size, options.template_view, mirror)
        search, box = self._crop(rng, search_shot, options.search_size, options.search_view, mirror, anywhere)
        return template, search, box if positive else None, {template_shot.name, search_shot.name}

    def _pasted(self, rng: np.random.Generator, mirror: bool) -> _Crops:
        """A pair of an object, cut out of two frames, on two backgrounds."""
        options = self.options
        name = self.objects.names[int(rng.integers(len(self.objects)))]
        tint = random_tint(rng, options.paste.tint)
        crops, box, names = [], None, {name}
        for shot, size, limits in zip(self._two_frames(rng, self.objects, name),
                                      (options.template_size, options.search_size),
                                      (options.template_view, options.search_view), strict=True):
            ground = self._other(rng, {name})
            if ground is None:
                return self._filmed(rng, mirror)
            picture, _ = self._crop(rng, ground, size, limits, mirror, anywhere=True)
            thing, box = self._crop(rng, shot, size, limits, mirror)
            crops.append(paste(thing, picture, tint))
            names.add(ground.name)
        return crops[0], crops[1], box, names

    def _distracted(self, rng: np.random.Generator, search: np.ndarray, box: np.ndarray | None,
                    names: set[str]) -> np.ndarray:
        """The search crop with one more object in it; as it is where no place was found."""
        others = [name for name in self.objects.names if name not in names]
        if not others:
            return search
        shot = self._shown(rng, self.objects, others[int(rng.integers(len(others)))])
        mirror = self.options.mirror and rng.random() < 0.5
        tint = random_tint(rng, self.options.paste.tint)
        for _ in range(_TRIES):
            thing, _ = self._crop(rng, shot, self.options.search_size, self.options.paste.view, mirror)
            if box is None or not hides(thing, box, self.options.paste.hidden):
                return paste(thing, search, tint)
        return search

    def _draw(self, rng: np.random.Generator) -> tuple[_Shot, _Shot, bool]:
        cache, name = self._sequence(rng)
        template, search = self._two_frames(rng, cache, name)
        if rng.random() < self.options.negative:
            elsewhere = self._without_target(rng, cache, name)
            if elsewhere is not None:
                return template, elsewhere, False
        return template, search, True

    def _two_frames(self, rng: np.random.Generator, cache: LmdbCache, name: str) -> tuple[_Shot, _Shot]:
        """Two frames of a sequence that show its target, at most `max_gap` apart."""
        shown = np.flatnonzero(cache.visible(name))
        first = int(rng.choice(shown))
        near = shown[np.abs(shown - first) <= self.options.max_gap]
        return _Shot(cache, name, first), _Shot(cache, name, int(rng.choice(near)))

    def _without_target(self, rng: np.random.Generator, cache: LmdbCache, name: str) -> _Shot | None:
        """An absent frame of the sequence, or a frame of another one; None where there is neither."""
        absent = np.flatnonzero(~cache.visible(name))
        if len(absent) and rng.random() < 0.5:
            return _Shot(cache, name, int(rng.choice(absent)))
        return self._other(rng, {name})

    def _other(self, rng: np.random.Generator, names: set[str]) -> _Shot | None:
        """A frame of a sequence with none of these names, whatever dataset it is from; None where none was drawn."""
        for _ in range(_TRIES):
            cache, name = self._sequence(rng)
            if name not in names:
                return self._shown(rng, cache, name)
        return None

    def _shown(self, rng: np.random.Generator, cache: LmdbCache, name: str) -> _Shot:
        """A frame that shows the target of a sequence."""
        return _Shot(cache, name, int(rng.choice(np.flatnonzero(cache.visible(name)))))

    def _sequence(self, rng: np.random.Generator) -> tuple[LmdbCache, str]:
        number = int(np.searchsorted(self._cumulative, rng.random(), side="right"))
        cache = self.caches[min(number, len(self.caches) - 1)]
        return cache, cache.names[int(rng.integers(len(cache.names)))]

    def _crop(self, rng: np.random.Generator, shot: _Shot, size: int, limits: ViewRange, mirror: bool,
              anywhere: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """A view of the frame (size, size, 3 or 4) uint8, and where the target is in it: (4,) x1, y1, x2, y2."""
        stored = shot.cache.crop(shot.name, shot.frame)
        x, y, width, height = box = anchor_box(shot.cache.boxes(shot.name), shot.cache.visible(shot.name), shot.frame)
        side = context_side(width, height, self.options.context) * size / self.options.template_size
        region = Region(x + width / 2, y + height / 2, side)
        if anywhere:
            region, limits = random_region(rng, stored, side), replace(limits, shift=0)
        view = random_view(rng, region, size, limits, mirror)
        is_object = stored.image.shape[2] == 4
        return view.sample(stored), view.bounds(stored.place(outline(stored.image))) if is_object else view.corners(box)


def _is_target(box: np.ndarray, size: int) -> bool:
    """Whether a box (4,) x1, y1, x2, y2 has an area and its centre in the crop."""
    centre = (box[:2] + box[2:]) / 2
    return bool((box[:2] < box[2:]).all() and ((centre >= 0) & (centre < size)).all())
