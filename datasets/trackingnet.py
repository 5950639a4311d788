"""TrackingNet folders as they come from the site (Mueller et al., ECCV 2018, arXiv 1803.10794).

``root/TEST/frames/SEQ/0.jpg``, ``1.jpg`` ... and ``root/TEST/anno/SEQ.txt`` (0-based ``x,y,w,h``), likewise
``TRAIN_0`` to ``TRAIN_11``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.annotations import has_area, list_frames, read_boxes, require_count
from datasets.attributes import key, read_attributes
from datasets.errors import DataError
from datasets.sequence import Sequence

CHUNKS = tuple(f"train_{number}" for number in range(12))
SPLITS = ("test", "train", *CHUNKS)


def load(root: str | Path, split: str = "test") -> list[Sequence]:
    """Read ``test``, ``train`` (all of its twelve parts) or one part such as ``train_0``, sorted by name.

    In the test split only the first box is published: `boxes` is (1, 4), `visible` all True.

    Raises:
        DataError: unknown split, missing folder or file, malformed row, rows that do not match the frames.
    """
    if split not in SPLITS:
        raise DataError(f"TrackingNet has no split {split!r}; choose one of {', '.join(SPLITS)}")
    root = Path(root)
    given = read_attributes(root)
    sequences = []
    for part in CHUNKS if split == "train" else (split,):
        folder = root / part.upper()
        files = sorted((folder / "anno").glob("*.txt"))
        if not files:
            raise DataError(f"{folder / 'anno'}: no SEQUENCE.txt in this folder; "
                            f"the TrackingNet root must hold {part.upper()}/anno/ and {part.upper()}/frames/")
        sequences += [_sequence(path, split, given.get(key(path.stem), ())) for path in files]
    return sequences


def _sequence(path: Path, split: str, attributes: tuple[str, ...]) -> Sequence:
    frames = _frames(path.parents[1] / "frames" / path.stem)
    boxes = read_boxes(path)
    if split == "test":
        boxes, visible = boxes[:1], np.ones(len(frames), dtype=bool)
    else:
        require_count(path, len(boxes), len(frames))
        visible = has_area(boxes)
    return Sequence(path.stem, f"trackingnet-{split}", frames, boxes, visible, attributes)


def _frames(folder: Path) -> tuple[Path, ...]:
    """Images by number: their names have no leading zeros."""
    frames = list_frames(folder)
    for frame in frames:
        if not frame.stem.isdigit():
            raise DataError(f"{frame}: expected an image called by its number, such as 0.jpg")
    return tuple(sorted(frames, key=lambda frame: int(frame.stem)))
