"""Where generated objects and backgrounds come from: drawn, or cut out of real images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets import images
from datasets import masks as masked
from datasets.alpha import premultiply, soft_edges, trim
from datasets.annotations import list_frames
from datasets.errors import DataError
from datasets.opencv import cv2
from datasets.synthetic_sprites import (
    SPRITE_SIDE,
    Family,
    background,
    random_style,
    similar_style,
    sprite,
)


@dataclass(frozen=True)
class Media:
    """Makers of what a scene shows.

    Attributes:
        family: draws a kind of object; calling the kind gives objects that are hard to tell apart.
        surroundings: draws a background (height, width, 3) uint8 BGR; a drawn one has clutter of a family.
    """

    family: Callable[[np.random.Generator], Family]
    surroundings: Callable[[np.random.Generator, int, int, Family], np.ndarray]


def find_media(objects: str | None, masks: str | None, backgrounds: str | None) -> Media:
    """Use real images where folders are given, drawings elsewhere.

    Args:
        objects: root of images ``SEQ/NAME.jpg``.
        masks: root of masks ``SEQ/NAME.png``, 0 or 255, of the same size as the images; given with `objects`.
        backgrounds: folder of images, searched with its sub-folders.

    Raises:
        DataError: only one of `objects` and `masks` is given, or a folder lacks what it should hold.
    """
    if (objects is None) != (masks is None):
        raise DataError("real objects need both folders: --objects for images and --masks for their masks")
    videos = list(masked.pair(Path(objects), Path(masks)).values()) if objects and masks else []
    photos = _photos(Path(backgrounds)) if backgrounds else []

    def family(rng: np.random.Generator) -> Family:
        if not videos:
            style = random_style(rng)
            return lambda rng: sprite(rng, similar_style(rng, style))
        video = videos[int(rng.integers(len(videos)))]
        return lambda rng: _cut_out(rng, video)

    def surroundings(rng: np.random.Generator, height: int, width: int, clutter: Family) -> np.ndarray:
        return _photo(rng, photos, height, width) if photos else background(rng, height, width, clutter)

    return Media(family, surroundings)


def _photos(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder}: folder of backgrounds not found")
    folders = [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]
    found = [frame for one in folders if any(one.glob("*.*")) for frame in _frames_or_none(one)]
    if not found:
        raise DataError(f"{folder}: no JPEG or PNG images in this folder")
    return found


def _frames_or_none(folder: Path) -> tuple[Path, ...]:
    try:
        return list_frames(folder)
    except DataError:
        return ()


def _cut_out(rng: np.random.Generator, pairs: list[tuple[Path, Path]]) -> np.ndarray:
    """The object of a video as a random frame shows it, its longer side at most that of a drawn one."""
    for number in rng.permutation(len(pairs)):
        image = images.read(pairs[number][0])
        mask = masked.read(pairs[number][1], image)
        if np.count_nonzero(mask > 127) < masked.MIN_AREA:
            continue
        # Slightly other colours in every copy; the soft edge hides the cut.
        image = np.clip(image * rng.uniform(0.88, 1.12, 3), 0, 255).astype(np.uint8)
        thing = trim(premultiply(image, soft_edges(mask)))
        shrink = min(1.0, SPRITE_SIDE / max(thing.shape[:2]))
        return cv2.resize(thing, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    raise DataError(f"{pairs[0][1].parent}: no mask covers {masked.MIN_AREA} pixels; leave this folder out")


def _photo(rng: np.random.Generator, photos: list[Path], height: int, width: int) -> np.ndarray:
    """A random photograph that fills the canvas, cut, not stretched."""
    image = images.read(photos[int(rng.integers(len(photos)))])
    grow = max(height / image.shape[0], width / image.shape[1])
    size = (max(width, round(grow * image.shape[1])), max(height, round(grow * image.shape[0])))
    image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return image[top:top + height, left:left + width]
