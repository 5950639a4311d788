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
    lines = _lines(path)
    rows, bad = _parse_rows(lines)
    if bad:
        raise DataError(f"{path}, line {bad[0]}: expected four numbers x,y,w,h, found {lines[bad[0] - 1].strip()!r}")
    if not lines:
        raise DataError(f"{path}: no boxes in this file")
    return _based_on_zero(rows, origin)


def read_boxes_with_gaps(path: Path, origin: int = 0) -> tuple[np.ndarray, list[int]]:
    """Read as `read_boxes` does, but a row that is not four numbers becomes NaN, and the file may be empty.

    Returns:
        (N, 4) float64 boxes, one a line, and the numbers of the unreadable lines, the first being 1.

    Raises:
        DataError: the file is missing or not a text file.
    """
    rows, bad = _parse_rows(_lines(path))
    return _based_on_zero(rows, origin), bad


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
        return path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot read annotation ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file") from error


def _parse_rows(lines: list[str]) -> tuple[np.ndarray, list[int]]:
    """Boxes (N, 4) of N lines, NaN where a line is unreadable, and the numbers of those lines."""
    rows = _parse_regular(lines)
    if rows is not None:
        return rows, []
    parsed = [_parse_row(line) for line in lines]
    bad = [number for number, row in enumerate(parsed, start=1) if row is None]
    return np.array([row or [math.nan] * 4 for row in parsed], dtype=np.float64).reshape(-1, 4), bad


def _parse_regular(lines: list[str]) -> np.ndarray | None:
    """Numpy's fast parser, for files with one separator and nothing to complain of; None for all others."""
    separator = next((mark for mark in ",;\t" if lines and mark in lines[0]), None)
    try:
        rows = np.loadtxt(lines, delimiter=separator, comments=None, ndmin=2) if lines else np.empty((0, 4))
    except ValueError:
        return None
    return rows if rows.shape == (len(lines), 4) and not np.isinf(rows).any() else None


def _parse_row(line: str) -> list[float] | None:
    try:
        values = [float(text) for text in _SEPARATOR.split(line.strip().strip(","))]
    except ValueError:
        return None
    return values if len(values) == 4 and not any(map(math.isinf, values)) else None


def _based_on_zero(rows: np.ndarray, origin: int) -> np.ndarray:
    return rows - np.array([origin, origin, 0, 0], dtype=np.float64)
