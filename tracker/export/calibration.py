"""Crops of real sequences, as the tracker would look at them, that tell which ranges values have."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets import got10k, images, synthetic
from datasets.annotations import has_area
from datasets.crops import Region, crop
from datasets.errors import DataError
from datasets.sequence import Sequence
from tracker.localize import Target, template_region
from tracker.models import Network

PAIRS = 96
JUDGED = 20
_JITTER = 0.25  # of the template region's side, either way, between two frames


class Example(NamedTuple):
    """A template, (1, 3, T, T), and search crops of the same target, (crops, 3, S, S); float32 BGR in 0..255."""

    template: np.ndarray
    search: np.ndarray


def calibration_examples(root: Path | None, network: Network, crops: int, count: int = PAIRS) -> list[Example]:
    """Examples spread evenly over the sequences of a folder; the same ones every time.

    Args:
        root: GOT-10k layout, of which ``train`` is used, or ``val`` where there is none; None for the generated set.
        crops: search crops of each example.

    Raises:
        DataError: no such folder, or an image in it cannot be read.
    """
    sequences = _sequences(root)
    rng = np.random.default_rng(0)
    return [_example(sequences[place], network, crops, rng)
            for place in np.linspace(0, len(sequences), count, endpoint=False).astype(int)]


def judging_sequences(root: Path | None, count: int = JUDGED) -> list[Sequence]:
    """Sequences that tell what int8 does to a tracker, spread evenly over the folder's ``val``, or else ``train``.

    Raises:
        DataError: no such folder.
    """
    sequences = [one for one in _sequences(root, ("val", "train")) if has_area(one.boxes[:1])[0]]
    places = np.linspace(0, len(sequences), min(count, len(sequences)), endpoint=False).astype(int)
    return [sequences[place] for place in places]


def _sequences(root: Path | None, splits: tuple[str, ...] = ("train", "val")) -> list[Sequence]:
    root = root or synthetic.ensure(synthetic.default_root())
    split = next((name for name in splits if (root / name).is_dir()), "train")
    sequences = [one for one in got10k.load(root, split) if (has_area(one.boxes) & one.visible).sum() > 1]
    if not sequences:
        raise DataError(f"{root / split}: no sequence shows its target twice; name another folder with --calibration")
    return sequences


def _example(sequence: Sequence, network: Network, crops: int, rng: np.random.Generator) -> Example:
    shown = np.flatnonzero(has_area(sequence.boxes) & sequence.visible)
    first, *others = rng.choice(shown, 1 + crops)
    config = network.config
    factor = config.search_size / config.template_size
    template = _cut(sequence, first, config.template_size, 1.0, (0.0, 0.0))
    search = [_cut(sequence, index, config.search_size, factor, rng.uniform(-_JITTER, _JITTER, 2)) for index in others]
    return Example(template[None], np.stack(search))


def _cut(sequence: Sequence, index: int, size: int, factor: float, shift: tuple[float, float] | np.ndarray
         ) -> np.ndarray:
    """(3, size, size) around the target, `factor` times the template's region, moved by a share of that region."""
    image = images.read(sequence.frames[index])
    x, y, w, h = sequence.boxes[index].tolist()
    side = template_region(Target(x + w / 2, y + h / 2, w, h)).side
    region = Region(x + w / 2 + shift[0] * side, y + h / 2 + shift[1] * side, side * factor)
    return crop(image, region, size, image.mean(axis=(0, 1))).transpose(2, 0, 1).astype(np.float32)
