"""Decoding of frames: the one place where a bad image file becomes an error that names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.errors import DataError
from datasets.opencv import cv2

_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
_PNG_START, _PNG_END = b"\x89PNG", b"IEND"


def read(path: str | Path) -> np.ndarray:
    """Read an image file as (H, W, 3) uint8 BGR; grey images are repeated over the channels, alpha is
    dropped.

    Raises:
        DataError: the file is missing, empty, truncated or no image.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot read image ({error.strerror})") from error
    return decode(data, str(path))


def decode(data: bytes | memoryview, name: str, alpha: bool = False) -> np.ndarray:
    """Decode the bytes of an image file to (H, W, 3) uint8 BGR, or as many channels as it has.

    Args:
        data: a whole encoded image.
        name: what to call the image in an error.
        alpha: keep the file's channels, such as BGRA.

    Raises:
        DataError: the bytes are empty, truncated or no image.
    """
    data = bytes(data)
    if _is_truncated(data):
        raise DataError(f"{name}: truncated image ({len(data)} bytes, no end marker); copy the file again")
    channels = cv2.IMREAD_UNCHANGED if alpha else cv2.IMREAD_COLOR
    image = cv2.imdecode(np.frombuffer(data, np.uint8), channels) if data else None
    if image is None:
        raise DataError(f"{name}: not a readable image ({len(data)} bytes)")
    return image


def _is_truncated(data: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end; OpenCV would decode the upper part and stay silent."""
    if data.startswith(_JPEG_START):
        # 0xff inside a scan is always escaped, so an end marker after the last scan header is the image's own
        # and not that of an embedded thumbnail.
        return data.rfind(_JPEG_END) < max(data.rfind(_JPEG_SCAN), 1)
    if data.startswith(_PNG_START):
        return _PNG_END not in data[-64:]
    return False
