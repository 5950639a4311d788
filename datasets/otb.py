"""OTB folders as they come from the site (Wu et al., TPAMI 2015, "Object Tracking Benchmark"), and any of that form.

``root/SEQ/img/0001.jpg`` ..., ``groundtruth_rect.txt`` (1-based ``x,y,w,h``). A folder with several targets
has ``groundtruth_rect.1.txt``, ``groundtruth_rect.2.txt``: these become the sequences ``SEQ.1``, ``SEQ.2``. Empty files
do not count: Human4 has one target, in its second file. Attributes: ``root/att/SEQ.txt`` of the toolkit or
``attributes.csv``, see `datasets.attributes`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets import attributes
from datasets.annotations import has_area, list_frames, read_boxes, require_count
from datasets.errors import DataError
from datasets.otb_subsets import SUBSETS
from datasets.sequence import Sequence

# Numbers of the first and last annotated image, where a folder of the official set has more images than rows
# (configSeqs.m of the benchmark).
_RANGES = {
    "BlurCar1": (247, 988), "BlurCar3": (3, 359), "BlurCar4": (18, 397), "David": (300, 770),
    "Diving": (1, 215), "Football1": (1, 74), "Freeman3": (1, 460), "Freeman4": (1, 283),
}
# Tiger1 begins with the target hidden; the benchmark starts at its sixth frame.
_LEADING_FRAMES_OMITTED = {"Tiger1": (354, 5)}


def load(root: str | Path, subset: str = "all") -> list[Sequence]:
    """Read an OTB folder, sorted by name; frames and rows are those that the benchmark uses.

    Args:
        root: the folder.
        subset: ``all`` that is there, or ``otb100``, ``otb50``, ``otb2013``, which must be there as a whole.

    Raises:
        DataError: unknown subset, missing folder, sequence or file, malformed row, rows that do not match the frames.
    """
    if subset not in ("all", *SUBSETS):
        raise DataError(f"OTB has no subset {subset!r}; choose one of all, {', '.join(SUBSETS)}")
    root = Path(root)
    sequences = load_folder(root, "otb", attributes.read_attributes(root, root / "att", attributes.OTB))
    return sequences if subset == "all" else _subset(sequences, subset, root)


def load_folder(root: Path, dataset: str, attributes_by_key: dict[str, tuple[str, ...]]) -> list[Sequence]:
    """Read a folder of OTB's form, sorted by name.

    Args:
        root: the folder.
        dataset: what the sequences say that they belong to.
        attributes_by_key: from `datasets.attributes.read_attributes`.

    Raises:
        DataError: missing folder or file, malformed row, rows that do not match the frames.
    """
    if not root.is_dir():
        raise DataError(f"{root}: {dataset.upper()} folder not found")
    sequences = [
        sequence
        for folder in sorted(path for path in root.iterdir() if path.is_dir())
        for sequence in _sequences(folder, dataset, attributes_by_key)
    ]
    if not sequences:
        raise DataError(f"{root}: no SEQUENCE/groundtruth_rect.txt in this folder")
    return sorted(sequences, key=lambda sequence: sequence.name.lower())


def _subset(sequences: list[Sequence], subset: str, root: Path) -> list[Sequence]:
    found = {sequence.name: sequence for sequence in sequences}
    missing = [name for name in SUBSETS[subset] if name not in found]
    if missing:
        raise DataError(f"{root}: lacks {len(missing)} of the {len(SUBSETS[subset])} sequences of {subset}: "
                        + ", ".join(missing[:10] + ["..."] * (len(missing) > 10)))
    return [found[name] for name in SUBSETS[subset]]


def _sequences(folder: Path, dataset: str, attributes_by_key: dict[str, tuple[str, ...]]) -> list[Sequence]:
    """One for each target of a folder."""
    files = [path for path in sorted(folder.glob("groundtruth_rect*.txt")) if path.read_bytes().strip()]
    sequences = []
    for path in files:
        target = path.stem.removeprefix("groundtruth_rect") if len(files) > 1 else ""  # ".1", ".2"
        name = folder.name + target
        frames, boxes = _frames_and_boxes(path)
        of_target = attributes_by_key.get(attributes.key(name))
        of_folder = attributes_by_key.get(attributes.key(folder.name), ())
        sequences.append(Sequence(name, dataset, frames, boxes, has_area(boxes),
                                  of_folder if of_target is None else of_target))
    return sequences


def _frames_and_boxes(path: Path) -> tuple[tuple[Path, ...], np.ndarray]:
    """The annotated frames of a target, and their boxes (N, 4), 0-based."""
    folder = path.parent
    frames = list_frames(folder / "img")
    boxes = read_boxes(path, origin=1)
    total, omitted = _LEADING_FRAMES_OMITTED.get(folder.name, (0, 0))
    if len(frames) == total:
        # Ground truth is published with and without the omitted rows.
        boxes = boxes[omitted:] if len(boxes) == total else boxes
        frames = frames[omitted:]
    elif len(boxes) < len(frames):
        frames = _annotated(frames, folder.name)
    require_count(path, len(boxes), len(frames))
    return frames, boxes


def _annotated(frames: tuple[Path, ...], name: str) -> tuple[Path, ...]:
    """Frames whose number lies in the annotated range of the official set."""
    if name not in _RANGES:
        return frames
    first, last = _RANGES[name]
    return tuple(frame for frame in frames if frame.stem.isdigit() and first <= int(frame.stem) <= last)
