"""GOT-10k folders as they come from the site (Huang et al., arXiv 1810.11981).

``root/SPLIT/list.txt`` names the sequences; each folder holds ``00000001.jpg`` ..., ``groundtruth.txt``
(0-based ``x,y,w,h``) and, outside the test split, ``absence.label`` and ``cover.label``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.annotations import has_area, list_frames, read_boxes, read_flags, read_names, require_count
from datasets.errors import DataError
from datasets.sequence import Sequence

SPLITS = ("train", "val", "test")


def load(root: str | Path, split: str) -> list[Sequence]:
    """Read one split, in the order of ``list.txt`` (of the folder names where there is no list).

    In the test split only the first box is published: `boxes` is (1, 4), `visible` all True.

    Raises:
        DataError: unknown split, missing folder or file, malformed row, rows that do not match the frames.
    """
    if split not in SPLITS:
        raise DataError(f"GOT-10k has no split {split!r}; choose one of {', '.join(SPLITS)}")
    folder = Path(root) / split
    if not folder.is_dir():
        raise DataError(f"{folder}: folder not found; the GOT-10k root must hold {split}/")
    names = _names(folder)
    if not names:
        raise DataError(f"{folder}: no sequences in this folder")
    return [_sequence(folder / name, split) for name in names]


def _names(folder: Path) -> list[str]:
    listed = folder / "list.txt"
    if listed.is_file():
        return read_names(listed)
    return sorted(entry.name for entry in folder.iterdir() if (entry / "groundtruth.txt").is_file())


def _sequence(folder: Path, split: str) -> Sequence:
    frames = list_frames(folder)
    boxes = read_boxes(folder / "groundtruth.txt")
    if split == "test":
        boxes, visible = boxes[:1], np.ones(len(frames), dtype=bool)
    else:
        require_count(folder / "groundtruth.txt", len(boxes), len(frames))
        visible = has_area(boxes) & ~_absent(folder / "absence.label", len(frames))
    return Sequence(folder.name, f"got10k-{split}", frames, boxes, visible)


def _absent(path: Path, frames: int) -> np.ndarray:
    """(N,) bool from ``absence.label``, 1 where the target is absent; all False without the file."""
    if not path.is_file():
        return np.zeros(frames, dtype=bool)
    flags = read_flags(path)
    require_count(path, len(flags), frames)
    return flags != 0


def cover(sequence: Sequence) -> np.ndarray:
    """Visible share of the target in eighths, (N,) int64 in 0 .. 8, from ``cover.label``.

    Raises:
        DataError: the file is missing, malformed or of another length.
    """
    path = sequence.frames[0].parent / "cover.label"
    flags = read_flags(path)
    require_count(path, len(flags), len(sequence))
    return flags
