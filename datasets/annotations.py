"""Text annotations of tracking benchmarks: rows of boxes, flags, lists of names, folders of frames."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import numpy as np

from datasets.errors import DataError

_SEPARATOR = re.compile(r"\s*[,;\t ]\s*")
_FRAME_SUFFIXES = (".jpg", ".jpeg", ".png")


def read_boxes(path: Path, origin: int = 0) -> np.ndarray:
    """Read one box a line, `x,y,w,h` separated by commas, tabs or spaces.

    Args:
        path: the annotation file.
        origin: pixel number of the image's top-left corner in the file, 0 or 1.

    Returns:
        (N, 4) float64 x, y, w, h, 0-based. NaN values stay: they mark frames without the target.

    Raises:
        DataError: the file is missing or empty, or a row is not four numbers (file and line are named).
    """
    rows = [_parse_row(line, path, number) for number, line in enumerate(_lines(path), start=1)]
    if not rows:
        raise DataError(f"{path}: no boxes in this file")
    return np.array(rows, dtype=np.float64) - np.array([origin, origin, 0, 0], dtype=np.float64)


def read_flags(path: Path) -> np.ndarray:
    """Read integers, one a line or separated by commas on one line, as (N,) int64.

    Raises:
        DataError: the file is missing or a value is no integer (file and line are named).
    """
    flags: list[int] = []
    for number, line in enumerate(_lines(path), start=1):
        for text in _SEPARATOR.split(line.strip().strip(",")):
            try:
                flags.append(int(text))
            except ValueError as error:
                raise DataError(f"{path}, line {number}: expected an integer, found {text!r}") from error
    return np.array(flags, dtype=np.int64)


def read_names(path: Path) -> list[str]:
    """Read the non-empty lines of a list of sequences."""
    return [line.strip() for line in _lines(path) if line.strip()]


def list_frames(folder: Path) -> tuple[Path, ...]:
    """Return the JPEG and PNG files of `folder` in the order of their names.

    Raises:
        DataError: there is no such folder or no image in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: image folder not found")
    names = sorted(name for name in os.listdir(folder) if name.lower().endswith(_FRAME_SUFFIXES))
    if not names:
        raise DataError(f"{folder}: no JPEG or PNG images in this folder")
    return tuple(folder / name for name in names)


def has_area(boxes: np.ndarray) -> np.ndarray:
    """Return (N,) bool: whether each of the (N, 4) boxes is finite with positive width and height."""
    with np.errstate(invalid="ignore"):
        return np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)


def require_count(path: Path, rows: int, frames: int) -> None:
    """Raise DataError unless the annotation file has one row for each frame."""
    if rows != frames:
        raise DataError(f"{path}: {rows} rows for {frames} frames; expected one row a frame")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").rstrip().splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot read annotation ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file") from error


def _parse_row(line: str, path: Path, number: int) -> list[float]:
    try:
        values = [float(text) for text in _SEPARATOR.split(line.strip().strip(","))]
    except ValueError:
        values = []
    if len(values) != 4 or any(math.isinf(value) for value in values):
        raise DataError(f"{path}, line {number}: expected four numbers x,y,w,h, found {line.strip()!r}")
    return values
