"""OTB folders as they come from the site (Wu et al., TPAMI 2015, "Object Tracking Benchmark").

``root/SEQ/img/0001.jpg`` ..., ``groundtruth_rect.txt`` (1-based ``x,y,w,h``). A folder with several targets
has ``groundtruth_rect.1.txt``, ``groundtruth_rect.2.txt``: these become the sequences ``SEQ.1``, ``SEQ.2``.
"""

from __future__ import annotations

from pathlib import Path

from datasets.annotations import has_area, list_frames, read_boxes
from datasets.errors import DataError
from datasets.sequence import Sequence

# Numbers of the first and last annotated image, where a folder of the official set has more images than rows
# (configSeqs.m of the benchmark).
_RANGES = {
    "BlurCar1": (247, 988), "BlurCar3": (3, 359), "BlurCar4": (18, 397), "David": (300, 770),
    "Diving": (1, 215), "Football1": (1, 74), "Freeman3": (1, 460), "Freeman4": (1, 283),
}
# Tiger1 begins with the target hidden; the benchmark starts at its sixth frame.
_LEADING_FRAMES_OMITTED = {"Tiger1": (354, 5)}


def load(root: str | Path) -> list[Sequence]:
    """Read every sequence of an OTB folder, sorted by name; frames and rows are those that the benchmark
    uses.

    Raises:
        DataError: missing folder or file, malformed row, rows that do not match the frames.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: OTB folder not found")
    files = sorted(root.glob("*/groundtruth_rect*.txt"))
    if not files:
        raise DataError(f"{root}: no SEQUENCE/groundtruth_rect.txt in this folder")
    sequences = [_sequence(path) for path in files if path.stat().st_size > 0]
    return sorted(sequences, key=lambda sequence: sequence.name.lower())


def _sequence(path: Path) -> Sequence:
    folder = path.parent
    target = path.stem.removeprefix("groundtruth_rect")  # "" or ".1", ".2"
    frames = list_frames(folder / "img")
    boxes = read_boxes(path, origin=1)
    total, omitted = _LEADING_FRAMES_OMITTED.get(folder.name, (0, 0))
    if len(frames) == total:
        # Ground truth is published with and without the omitted rows.
        boxes = boxes[omitted:] if len(boxes) == total else boxes
        frames = frames[omitted:]
    elif len(boxes) < len(frames):
        frames = _annotated(frames, folder.name)
    if len(boxes) != len(frames):
        raise DataError(f"{path}: {len(boxes)} rows for {len(frames)} frames; expected one row a frame")
    return Sequence(folder.name + target, "otb", frames, boxes, has_area(boxes))


def _annotated(frames: tuple[Path, ...], name: str) -> tuple[Path, ...]:
    """Frames whose number lies in the annotated range of the official set."""
    if name not in _RANGES:
        return frames
    first, last = _RANGES[name]
    return tuple(frame for frame in frames if frame.stem.isdigit() and first <= int(frame.stem) <= last)
