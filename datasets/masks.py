"""Videos whose object is masked: ``IMAGES/SEQ/NAME.jpg`` (or .png) with ``MASKS/SEQ/NAME.png``.

A mask is 0 or 255 and as large as its image; images without a mask are left out. GOT-10k's ``train`` folder may be the
root of images.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from datasets import images
from datasets.alpha import silhouette_bounds, soft_edges
from datasets.errors import DataError
from datasets.sequence import Sequence

# A silhouette with fewer pixels is a speck, not an object.
MIN_AREA = 200


def load(root: str | Path, masks: str | Path) -> list[Sequence]:
    """Read masked videos, one sequence a folder; its boxes surround the silhouettes.

    Unlike images the masks are decoded, on all cores: boxes come from them. A frame with less than `MIN_AREA` pixels of
    its object counts as one without it.

    Args:
        root: of images ``SEQ/NAME.jpg``.
        masks: root of masks ``SEQ/NAME.png``.

    Raises:
        DataError: there are no masks, none shows an object, or one has no image or is unreadable.
    """
    videos = pair(Path(root), Path(masks))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        boxes = {name: np.array(list(pool.map(_box, (mask for _, mask in frames)))) for name, frames in videos.items()}
    sequences = [Sequence(name, "objects", tuple(image for image, _ in frames), boxes[name], boxes[name][:, 2] > 0,
                          masks=tuple(mask for _, mask in frames)) for name, frames in videos.items()]
    usable = [sequence for sequence in sequences if sequence.visible.any()]
    if not usable:
        raise DataError(f"{masks}: no mask covers {MIN_AREA} pixels; masks must be 0 or 255")
    return usable


def pair(root: Path, masks: Path) -> dict[str, list[tuple[Path, Path]]]:
    """Every image with its mask, by the video's name.

    Raises:
        DataError: there are no masks, or one has no image.
    """
    found: dict[str, list[tuple[Path, Path]]] = {}
    for mask in sorted(masks.glob("*/*.png")):
        folder = root / mask.parent.name
        candidates = [folder / f"{mask.stem}{suffix}" for suffix in (".jpg", ".jpeg", ".png")]
        image = next((path for path in candidates if path.is_file()), None)
        if image is None:
            raise DataError(f"{mask}: no image of this mask; looked for {candidates[0]}")
        found.setdefault(mask.parent.name, []).append((image, mask))
    if not found:
        raise DataError(f"{masks}: no masks SEQ/NAME.png in this folder")
    return found


def read(path: Path, image: np.ndarray) -> np.ndarray:
    """Read the mask of an (H, W, 3) image as (H, W) uint8.

    Raises:
        DataError: it is unreadable or of another size than the image.
    """
    mask = _decode(path)
    if image.shape[:2] != mask.shape:
        raise DataError(f"{path}: mask of {mask.shape[1]} x {mask.shape[0]} pixels for "
                        f"an image of {image.shape[1]} x {image.shape[0]}")
    return mask


def _decode(path: Path) -> np.ndarray:
    return np.ascontiguousarray(images.read(path)[:, :, 0])


def _box(path: Path) -> tuple[int, int, int, int]:
    """Bounds x, y, w, h of the silhouette; zeros where it is too small."""
    alpha = soft_edges(_decode(path))
    return silhouette_bounds(alpha) if np.count_nonzero(alpha > 127) >= MIN_AREA else (0, 0, 0, 0)
