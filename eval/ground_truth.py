"""The ground truth of a benchmark as scoring needs it: boxes and labels, no images.

Layouts, the first that is found:

- ``SEQ/groundtruth_rect.txt``, ``SEQ/groundtruth_rect.2.txt`` (sequence ``SEQ.2``): OTB, DTB70
- ``SEQ/groundtruth.txt`` with ``absence.label`` and ``meta_info.ini``: a split of GOT-10k
- ``CLASS/CLASS-N/groundtruth.txt`` with ``full_occlusion.txt`` and ``out_of_view.txt``: LaSOT
- ``anno/UAV123/SEQ.txt`` or ``anno/UAV123_10fps/SEQ.txt``: UAV123
- ``anno/SEQ.txt``: a split of TrackingNet
- ``SEQ.txt``, with labels in ``absent/SEQ.txt`` where there are any: LaSOT's toolkit, everything else
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.annotations import list_frames, read_boxes, read_flags, require_count
from datasets.errors import DataError

_LAYOUTS = ("*/groundtruth_rect*.txt", "*/groundtruth.txt", "*/*-*/groundtruth.txt", "anno/UAV123*/*.txt",
            "anno/*.txt", "*.txt")
_LABELS = ("absence.label", "full_occlusion.txt", "out_of_view.txt")
_RESOLUTION = re.compile(r"^\s*resolution\s*[:=]\s*\(?\s*(\d+)\s*,\s*(\d+)", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known about one sequence.

    Attributes:
        name: of the sequence.
        boxes: (N, 4) float64 x, y, w, h, 0-based pixels; NaN where the file has it.
        visible: (N,) bool, False where the target is labelled as absent; None without labels.
        file: the boxes are from.
    """

    name: str
    boxes: np.ndarray
    visible: np.ndarray | None
    file: Path

    def frame_size(self) -> tuple[int, int] | None:
        """Width and height by ``meta_info.ini`` beside the boxes, or else by the first image there; else None.

        Raises:
            DataError: the image cannot be read.
        """
        folder = self.file.parent
        info = folder / "meta_info.ini"
        found = info.is_file() and _RESOLUTION.search(info.read_text(encoding="utf-8", errors="replace"))
        if found:
            return int(found[1]), int(found[2])
        try:
            first = list_frames(folder)[0]
        except DataError:
            return None
        from datasets import images

        height, width = images.read(first).shape[:2]
        return width, height


def read_truths(root: Path, origin: int) -> list[Truth]:
    """Read the ground truth below `root`, sorted by name.

    Args:
        root: a folder in one of the layouts above.
        origin: pixel number of the image's top-left corner in its files, 0 or 1.

    Raises:
        DataError: no ground truth there, an empty or malformed file, labels that do not match the boxes, two
            sequences of one name, a set whose truth is not published, or the folder above.
    """
    truths = [_read(file, origin) for file in _files(root)]
    for name, count in Counter(truth.name for truth in truths).items():
        if count > 1:
            raise DataError(f"{root}: {count} annotations of a sequence {name}; name the folder of one set")
    if all(len(truth.boxes) == 1 for truth in truths):
        raise DataError(f"{root}: one box a sequence, as where the truth is not published; nothing to score")
    return sorted(truths, key=lambda truth: truth.name.lower())


def _files(root: Path) -> list[Path]:
    if not root.is_dir():
        raise DataError(f"{root}: ground truth folder not found")
    meant = _likely(root)
    for layout in _LAYOUTS:
        files = [file for file in root.glob(layout) if file.is_file() and _fits(file, layout)]
        only_lists = meant and layout == "*.txt" and not any(map(_holds_boxes, files))
        if files and not only_lists:
            return files
    hint = f"; did you mean {meant}?" if meant else " (SEQ.txt, or the benchmark's own layout)"
    raise DataError(f"{root}: no ground truth in this folder{hint}")


def _likely(root: Path) -> Path | None:
    """The folder below with text files that was probably meant."""
    return next((file.parent for pattern in ("gt/*.txt", "anno/*/*.txt") for file in sorted(root.glob(pattern))), None)


def _holds_boxes(file: Path) -> bool:
    """Tells boxes from a list of names."""
    try:
        return len(read_boxes(file)) > 0
    except DataError:
        return False


def _fits(file: Path, layout: str) -> bool:
    if layout.startswith("*/*-*"):
        # Not the splits of GOT-10k: LaSOT's names begin with their class.
        return file.parent.name.startswith(f"{file.parent.parent.name}-")
    # OTB has an empty file where it numbers a target that it does not use.
    return not layout.startswith("*/groundtruth_rect") or file.stat().st_size > 0


def _read(file: Path, origin: int) -> Truth:
    target = re.fullmatch(r"groundtruth(?:_rect)?(.*)", file.stem)
    name = file.parent.name + target[1] if target else file.stem
    boxes = read_boxes(file, origin)
    places = [file.parent / label for label in _LABELS] if target else [file.parent / "absent" / file.name]
    labels = [place for place in places if place.is_file()]
    return Truth(name, boxes, ~_absent(labels, len(boxes)) if labels else None, file)


def _absent(labels: list[Path], frames: int) -> np.ndarray:
    """(N,) bool, True where any of the label files has other than 0."""
    absent = np.zeros(frames, dtype=bool)
    for label in labels:
        flags = read_flags(label)
        require_count(label, len(flags), frames)
        absent |= flags != 0
    return absent
