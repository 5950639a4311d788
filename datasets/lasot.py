"""LaSOT folders as they come from the site (Fan et al., arXiv 1809.07845).

``root/CLASS/CLASS-N/img/00000001.jpg`` ..., ``groundtruth.txt`` (1-based integers ``x,y,w,h``),
``full_occlusion.txt`` and ``out_of_view.txt`` (0 or 1 a frame, on one line); ``training_set.txt`` and
``testing_set.txt`` list the split. Attributes: ``root/att/CLASS-N.txt`` of the toolkit or ``attributes.csv``, see
`datasets.attributes`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets import attributes
from datasets.annotations import has_area, list_frames, read_boxes, read_flags, read_names, require_count
from datasets.errors import DataError
from datasets.sequence import Sequence

_LISTS = {"train": "training_set.txt", "test": "testing_set.txt"}


def load(root: str | Path, split: str = "all") -> list[Sequence]:
    """Read the sequences of a split, ``all``, ``train`` or ``test``; `visible` is False where either label is
    1.

    Raises:
        DataError: unknown split, missing folder, list or file, malformed row, rows that do not match the
        frames.
    """
    root = Path(root)
    if split not in ("all", *_LISTS):
        raise DataError(f"LaSOT has no split {split!r}; choose all, train or test")
    if not root.is_dir():
        raise DataError(f"{root}: LaSOT folder not found")
    names = _all_names(root) if split == "all" else read_names(root / _LISTS[split])
    if not names:
        raise DataError(f"{root}: no sequences CLASS/CLASS-N/groundtruth.txt in this folder")
    given = attributes.read_attributes(root, root / "att", attributes.LASOT)
    return [
        _sequence(root / name.rsplit("-", 1)[0] / name, split, given.get(attributes.key(name), ())) for name in names
    ]


def _all_names(root: Path) -> list[str]:
    found = (path.parent.name for path in root.glob("*/*-*/groundtruth.txt"))
    return sorted(found, key=_class_and_number)


def _class_and_number(name: str) -> tuple[str, int, str]:
    group, _, number = name.rpartition("-")
    return group, int(number) if number.isdigit() else 0, number


def _sequence(folder: Path, split: str, codes: tuple[str, ...]) -> Sequence:
    frames = list_frames(folder / "img")
    boxes = read_boxes(folder / "groundtruth.txt", origin=1)
    require_count(folder / "groundtruth.txt", len(boxes), len(frames))
    absent = np.zeros(len(frames), dtype=bool)
    for label in ("full_occlusion.txt", "out_of_view.txt"):
        flags = read_flags(folder / label)
        require_count(folder / label, len(flags), len(frames))
        absent |= flags != 0
    return Sequence(folder.name, f"lasot-{split}", frames, boxes, has_area(boxes) & ~absent, codes)
