"""Still images with boxes, in the COCO detection format (https://cocodataset.org/#format-data)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from datasets.annotations import has_area
from datasets.errors import DataError
from datasets.sequence import Sequence

# Below this many pixels a side a box shows nothing that could be found again in another view.
MIN_SIDE = 8.0


def load(annotations: str | Path) -> list[Sequence]:
    """Read an annotation file; every box becomes a sequence of one frame.

    Crowds and boxes that, clipped to the image, are smaller than `MIN_SIDE` a side are left out, and with
    them the images without boxes. Image paths are relative to the folder of the file. No image is opened.

    Raises:
        DataError: the file is missing, no JSON, not in COCO format or holds no usable box.
    """
    path = Path(annotations)
    content = _read_json(path)
    try:
        images = {image["id"]: image for image in content["images"]}
        sequences = [_sequence(path.parent, images[entry["image_id"]], entry)
                     for entry in content["annotations"] if not entry.get("iscrowd", 0)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: not in COCO detection format ({type(error).__name__}: {error})") from error
    usable = [sequence for sequence in sequences if sequence.visible[0]]
    if not usable:
        raise DataError(f"{path}: no usable boxes in this file")
    return usable


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot read annotations ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error})") from error


def _sequence(folder: Path, image: dict, entry: dict) -> Sequence:
    x, y, width, height = (float(value) for value in entry["bbox"])
    right = min(x + width, float(image["width"]))
    bottom = min(y + height, float(image["height"]))
    x, y = max(x, 0.0), max(y, 0.0)
    boxes = np.array([[x, y, right - x, bottom - y]])
    visible = has_area(boxes) & (boxes[:, 2:].min(axis=1) >= MIN_SIDE)
    name = f"{Path(image['file_name']).stem}.{entry['id']}"
    return Sequence(name, "images", (folder / image["file_name"],), boxes, visible)
