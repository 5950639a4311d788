"""Which video files may be opened: those inside the named folder, and uploads that are videos."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from datasets.opencv import cv2
from tracker.errors import TrackerError
from tracker.video import Source, open_source
from tracker.web.limits import Limits

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg")
MAX_LISTED = 500
HEAD_BYTES = 16
# Decoders go by content: a playlist called `.mp4` would make them open files that it names, anywhere on the machine.
_CONTAINERS = ((4, b"ftyp", ".mp4"), (0, b"\x1aE\xdf\xa3", ".mkv"), (8, b"AVI ", ".avi"),
               (0, b"\0\0\x01\xba", ".mpg"), (0, b"\0\0\x01\xb3", ".mpg"))


def container(head: bytes) -> str:
    """The suffix of the video container that begins with these bytes.

    Raises:
        TrackerError: it is none of those that are taken.
    """
    for offset, mark, suffix in _CONTAINERS:
        if head[offset:offset + len(mark)] == mark:
            return suffix
    raise TrackerError("the file is no video of a known kind (MP4, MOV, MKV, WebM, AVI, MPEG)")


def list_videos(folder: Path | None) -> list[str]:
    """Names of the videos in and below `folder`, with / between folders; links that lead out of it are left out."""
    if folder is None:
        return []
    root = folder.resolve()
    found = []
    for parent, folders, names in os.walk(root):
        folders.sort()
        paths = (Path(parent, name) for name in sorted(names) if Path(name).suffix.lower() in SUFFIXES)
        found += [path.relative_to(root).as_posix() for path in paths
                  if path.resolve().is_relative_to(root) and path.is_file()]
    return found[:MAX_LISTED]


def find_video(folder: Path | None, name: str) -> Path:
    """The file of a listed name. A name is looked up, never made into a path.

    Raises:
        TrackerError: no video of the folder has that name.
    """
    if name not in list_videos(folder) or folder is None:
        raise TrackerError("no such video in the folder of videos")
    return (folder.resolve() / name).resolve()


def open_video(path: Path, name: str, limits: Limits, max_seconds: float | None = None) -> Source:
    """Open a video file, if it is one and within the limits.

    Raises:
        TrackerError: no video, too large, too long, or without a readable frame; the message has `name`, not the path.
    """
    with path.open("rb") as file:
        container(file.read(HEAD_BYTES))
    capture = cv2.VideoCapture(str(path))
    try:
        read = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS)
        width, height, count, fps = (capture.get(each) for each in read)
    finally:
        capture.release()
    if min(width, height) > 0:  # else the decoder does not know
        require_size(width, height, name, limits)
    if max_seconds is not None and fps > 0 and count / fps > max_seconds:
        raise TrackerError(f"{name}: {count / fps:.0f} seconds long; at most {max_seconds:.0f} are taken")
    try:
        return replace(open_source(str(path)), name=name)
    except TrackerError as error:
        raise TrackerError(f"{name}: cannot be read as a video") from error


def require_size(width: float, height: float, name: str, limits: Limits) -> None:
    """Raise a TrackerError if frames of this size, in pixels, are larger than is taken or too small to track in."""
    if max(width, height) > limits.video_side:
        raise TrackerError(f"{name}: frames of {width:.0f}x{height:.0f}; at most {limits.video_side} a side are taken")
    if min(width, height) < limits.least_side:
        raise TrackerError(f"{name}: frames of {width:.0f}x{height:.0f} pixels are too small to track anything; "
                           f"at least {limits.least_side} a side are needed")
