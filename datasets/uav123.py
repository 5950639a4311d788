"""UAV123 folders as they come from the site (Mueller, Smith and Ghanem, ECCV 2016), and any of that form.

At 30 frames a second ``root/data_seq/UAV123/SEQ/000001.jpg`` ... and ``root/anno/UAV123/SEQ.txt`` (1-based
``x,y,w,h``, NaN where the target is absent); UAV123_10fps has that name in place of UAV123. UAV20L is
``anno/UAV20L`` on the images of UAV123. Several targets are parts of one folder of images: ``bird1_2`` begins at image
775 of ``bird1``. Attributes: ``anno/UAV123/att/SEQ.txt`` or ``root/attributes.csv``, see `datasets.attributes`.
"""

from __future__ import annotations

from pathlib import Path

from datasets import attributes
from datasets.annotations import has_area, list_frames, read_boxes
from datasets.errors import DataError
from datasets.sequence import Sequence

# Split -> folder of annotations, folder of images, frames of the camera (30 a second) per image.
_SPLITS = {
    "30fps": ("UAV123", "UAV123", 1),
    "10fps": ("UAV123_10fps", "UAV123_10fps", 3),
    "20l": ("UAV20L", "UAV123", 1),
}

# At 30 frames a second, the first image of FOLDER_1, FOLDER_2, ... (configSeqs.m of the benchmark). As many images
# follow as there are rows, in all other folders from the first one. At 10 frames a second each third image remains.
_PARTS = {
    "bird1": (1, 775, 1573), "car1": (1, 751, 1627), "car16": (1, 415), "car6": (1, 487, 1807, 2953, 3925),
    "car8": (1, 1357), "group1": (1, 1333, 2515, 3925), "group2": (1, 907, 1771), "group3": (1, 1567, 2827, 4369),
    "person12": (1, 601), "person14": (1, 847, 1813), "person17": (1, 1501), "person19": (1, 1243, 2791),
    "person2": (1, 1189), "person4": (1, 1501), "person5": (1, 877), "person7": (1, 1249), "person8": (1, 1075),
    "truck4": (1, 577), "uav1": (1, 1555, 2473),
}


def load(root: str | Path, split: str = "30fps") -> list[Sequence]:
    """Read every annotated target of a split, ``30fps``, ``10fps`` or ``20l``, sorted by name.

    Images after the last row are left out.

    Raises:
        DataError: unknown split, missing folder, image or file, malformed row.
    """
    if split not in _SPLITS:
        raise DataError(f"UAV123 has no split {split!r}; choose one of {', '.join(_SPLITS)}")
    root = Path(root)
    annotations, images, step = _SPLITS[split]
    folder = root / "anno" / annotations
    files = sorted(folder.glob("*.txt"), key=lambda path: path.stem.lower())
    if not files:
        raise DataError(f"{folder}: no SEQUENCE.txt in this folder; the root must hold anno/{annotations}/ "
                        f"and data_seq/{images}/")
    given = attributes.read_attributes(root, folder / "att", attributes.UAV123)
    sequences = []
    for path in files:
        boxes = read_boxes(path, origin=1)
        frames = _frames(root / "data_seq" / images, path, len(boxes), step)
        sequences.append(Sequence(path.stem, f"uav123-{split}", frames, boxes, has_area(boxes),
                                  given.get(attributes.key(path.stem), ())))
    return sequences


def _frames(images: Path, annotation: Path, rows: int, step: int) -> tuple[Path, ...]:
    """The images of a target: as many as it has rows."""
    name, first = folder_and_first(annotation.stem, step)
    by_number = {int(path.stem): path for path in list_frames(images / name) if path.stem.isdigit()}
    numbers = range(first, first + rows)
    lacking = next((number for number in numbers if number not in by_number), None)
    if lacking is not None:
        raise DataError(f"{annotation}: {rows} rows, but {images / name} has no image {lacking:06d}")
    return tuple(by_number[number] for number in numbers)


def folder_and_first(name: str, step: int) -> tuple[str, int]:
    """Folder of images and number of the first one, where each `step`-th image of the camera is kept."""
    folder, _, part = name.rpartition("_")
    starts = _PARTS.get(folder, ())
    if part.isdigit() and 1 <= int(part) <= len(starts):
        return folder, (starts[int(part) - 1] - 1) // step + 1
    return name, 1
