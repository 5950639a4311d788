"""The records of a cache: their keys, and the checksum over those of one sequence.

``SEQ/00000000`` ... are JPEGs (PNGs of cut-outs), ``SEQ/boxes`` (N, 4) float64, ``SEQ/visible`` (N,) bool and
``SEQ/frames`` (N, 6) float64: scale, left, top and fill colour (b, g, r) of every `CachedCrop`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

import numpy as np

# dtype and row shape of the arrays of a sequence, in the order in which the checksum covers them.
ARRAYS: Mapping[str, tuple[type, tuple[int, ...]]] = {
    "boxes": (np.float64, (4,)),
    "visible": (np.bool_, ()),
    "frames": (np.float64, (6,)),
}


def frame_key(name: str, index: int) -> bytes:
    """Key of the JPEG of frame `index`."""
    return f"{name}/{index:08d}".encode()


def array_key(name: str, array: str) -> bytes:
    """Key of one of the `ARRAYS` of a sequence."""
    return f"{name}/{array}".encode()


def keys(name: str, frames: int) -> Iterable[bytes]:
    """All keys of a sequence, in the order in which the checksum covers them."""
    yield from (frame_key(name, index) for index in range(frames))
    yield from (array_key(name, array) for array in ARRAYS)


def checksum(records: Iterable[bytes | memoryview | None]) -> int:
    """CRC-32 over the records of a sequence; a missing record (None) makes it -1."""
    value = 0
    for record in records:
        if record is None:
            return -1
        value = zlib.crc32(record, value)
    return value
