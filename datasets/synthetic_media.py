"""Where generated objects and backgrounds come from: drawn, or cut out of real images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets import images
from datasets.annotations import list_frames
from datasets.errors import DataError
from datasets.opencv import cv2
from datasets.synthetic_sprites import SPRITE_SIDE, Style, background, premultiply, sprite, trim

# A mask with fewer pixels is a speck, not an object.
_MIN_AREA = 200


@dataclass(frozen=True)
class Media:
    """Makers of what a scene shows.

    Attributes:
        objects: draws an object in a style (cut-outs have their own): (H, W, 4) uint8, alpha-multiplied BGRA.
        backgrounds: draws surroundings (height, width, 3) uint8 BGR; some clutter in them is in the style
        given.
    """

    objects: Callable[[np.random.Generator, Style], np.ndarray]
    backgrounds: Callable[[np.random.Generator, int, int, Style], np.ndarray]


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
    makers = [sprite, background]
    if objects is not None and masks is not None:
        pairs = _masked_images(Path(objects), Path(masks))
        makers[0] = lambda rng, style: _cut_out(rng, pairs)
    if backgrounds is not None:
        photos = _photos(Path(backgrounds))
        makers[1] = lambda rng, height, width, style: _photo(rng, photos, height, width)
    return Media(*makers)


def _masked_images(objects: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Every mask with its image."""
    found = []
    for mask in sorted(masks.glob("*/*.png")):
        folder = objects / mask.parent.name
        candidates = [folder / f"{mask.stem}{suffix}" for suffix in (".jpg", ".jpeg", ".png")]
        image = next((path for path in candidates if path.is_file()), None)
        if image is None:
            raise DataError(f"{mask}: no image of this mask; looked for {candidates[0]}")
        found.append((image, mask))
    if not found:
        raise DataError(f"{masks}: no masks SEQ/NAME.png in this folder")
    return found


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
    """A random masked object, its longer side at most that of a drawn one."""
    for number in rng.permutation(len(pairs)):
        image, mask = images.read(pairs[number][0]), images.read(pairs[number][1])[:, :, 0]
        if image.shape[:2] != mask.shape:
            raise DataError(f"{pairs[number][1]}: mask of {mask.shape[::-1]} pixels for an image of "
                            f"{image.shape[1::-1]}")
        if np.count_nonzero(mask > 127) < _MIN_AREA:
            continue
        soft = cv2.GaussianBlur(mask, (0, 0), 0.8)
        thing = trim(premultiply(image, soft))
        shrink = min(1.0, SPRITE_SIDE / max(thing.shape[:2]))
        return cv2.resize(thing, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    raise DataError(f"{pairs[0][1].parent.parent}: no mask covers {_MIN_AREA} pixels")


def _photo(rng: np.random.Generator, photos: list[Path], height: int, width: int) -> np.ndarray:
    """A random photograph that fills the canvas, cut, not stretched."""
    image = images.read(photos[int(rng.integers(len(photos)))])
    grow = max(height / image.shape[0], width / image.shape[1])
    size = (max(width, round(grow * image.shape[1])), max(height, round(grow * image.shape[0])))
    image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return image[top:top + height, left:left + width]
