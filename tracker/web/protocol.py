"""The messages between page and server.

The page sends JSON objects with a `type`, and frames of its camera as bytes: the length of a JSON header (uint32,
little-endian), the header, a JPEG. Pictures for the page have the same form. Boxes are x, y, w, h in pixels of the
source's frames, 0-based.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NoReturn

import numpy as np
from PIL import Image

from datasets import images
from datasets.errors import DataError
from tracker.errors import TrackerError

MAX_TEXT = 4096  # characters of a JSON message
MAX_HEADER = 512  # bytes of the JSON before a JPEG
SOURCES = ("device", "upload", "video", "camera")
_LENGTH = struct.Struct("<I")


class ProtocolError(TrackerError):
    """A message that the page never sends; it ends its session."""


@dataclass(frozen=True)
class Open:
    """Open a source: this `device`'s camera, the `upload`, a `video` of the folder, a `camera` of the server."""

    kind: str
    name: str


@dataclass(frozen=True)
class Choose:
    """Use these one or two trackers for the next box."""

    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Select:
    """Track what is in the box (4,) on the frame at which a source of the server is held."""

    box: np.ndarray


@dataclass(frozen=True)
class Play:
    """Go on reading a source of the server."""


@dataclass(frozen=True)
class Pause:
    """Hold it, and show where."""


@dataclass(frozen=True)
class Stop:
    """End the run, so that its files can be downloaded."""


@dataclass(frozen=True)
class Shown:
    """The page has shown this picture."""

    frame: int


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of the page's camera; with a box (4,) it begins a run."""

    number: int
    box: np.ndarray | None
    jpeg: bytes


Message = Open | Choose | Select | Play | Pause | Stop | Shown


def parse(text: str) -> Message:
    """Read a message of the page.

    Raises:
        ProtocolError: it is none.
    """
    if len(text) > MAX_TEXT:
        raise ProtocolError(f"a message of {len(text)} characters; at most {MAX_TEXT} are taken")
    fields = _object(text)
    kind = fields.pop("type", None)
    known = _PARSERS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise ProtocolError("a message of unknown type")
    try:
        return known(**fields)
    except TypeError:
        raise ProtocolError(f"a message {kind!r} with fields that are missing or unknown") from None


def parse_frame(data: bytes) -> Frame:
    """Take a frame of the page's camera apart; the JPEG is not looked at.

    Raises:
        ProtocolError: no header, or a wrong one.
    """
    length = _LENGTH.unpack_from(data)[0] if len(data) >= _LENGTH.size else MAX_HEADER + 1
    if length > min(MAX_HEADER, len(data) - _LENGTH.size):
        raise ProtocolError("bytes that are no frame")
    start = _LENGTH.size + length
    header = _object(data[_LENGTH.size:start])
    box = header.get("box")
    return Frame(_count(header.get("frame")), None if box is None else _box(box), data[start:])


def pack(header: Mapping[str, Any], jpeg: bytes) -> bytes:
    """A picture with what is to be drawn on it, as bytes."""
    text = json.dumps(header, separators=(",", ":")).encode()
    return _LENGTH.pack(len(text)) + text + jpeg


def decode(jpeg: bytes, least_side: int, max_side: int) -> np.ndarray:
    """A camera's JPEG as (H, W, 3) uint8 BGR.

    Raises:
        TrackerError: no whole JPEG, or sides that are not within these; its size is known before a pixel is decoded.
    """
    try:
        with Image.open(BytesIO(jpeg), formats=["JPEG"]) as picture:
            width, height = picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise TrackerError("a frame of the camera is no readable JPEG") from error
    if max(width, height) > max_side:
        raise TrackerError(f"the camera's frames are {width}x{height}; at most {max_side} pixels a side are taken")
    if min(width, height) < least_side:
        raise TrackerError(f"the camera's frames are {width}x{height}; that is too small to track anything, "
                           f"at least {least_side} pixels a side are needed")
    try:
        return images.decode(jpeg, "a frame of the camera")
    except DataError as error:
        raise TrackerError("a frame of the camera came cut short or damaged; it is left out") from error


def encode(frame: np.ndarray, max_side: int) -> bytes:
    """(H, W, 3) uint8 BGR as JPEG, scaled down where a side is longer than `max_side`."""
    from datasets.opencv import cv2

    scale = max_side / max(frame.shape[:2])
    if scale < 1:
        frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        fields = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise ProtocolError("a message that is no JSON") from None
    if not isinstance(fields, dict):
        raise ProtocolError("a message that is no JSON object")
    return fields


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _box(value: object) -> np.ndarray:
    if not isinstance(value, list) or len(value) != 4:
        raise ProtocolError("a box is a list of four numbers")
    if not all(type(part) in (int, float) and abs(part) < 1e6 and math.isfinite(part) for part in value):
        raise ProtocolError("a box is a list of four finite numbers")
    return np.array(value, dtype=np.float64)


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ProtocolError("a frame's number is a whole number from 0")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ProtocolError("a name is a text")
    return value


def _open(kind: object, name: object = "") -> Open:
    if kind not in SOURCES:
        raise ProtocolError(f"a source is one of {', '.join(SOURCES)}")
    return Open(str(kind), _text(name))


def _choose(names: object) -> Choose:
    if not isinstance(names, list) or len(names) not in (1, 2):
        raise ProtocolError("one or two trackers can be chosen")
    return Choose(tuple(map(_text, names)))


_PARSERS: dict[str, Callable[..., Message]] = {
    "open": _open,
    "choose": _choose,
    "select": lambda box: Select(_box(box)),
    "shown": lambda frame: Shown(_count(frame)),
    "play": Play,
    "pause": Pause,
    "stop": Stop,
}
