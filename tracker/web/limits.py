"""What one visitor may ask of the server; each limit that is hit is told in the page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of the server.

    Attributes:
        sessions: pages that are connected at once.
        upload_bytes: of an uploaded video.
        frame_bytes: of one picture of a visitor's camera, as JPEG.
        least_side: shorter side of any frame, pixels; nothing is seen in smaller ones.
        frame_side: longer side of such a picture, pixels.
        video_side: longer side of a video's frames, pixels.
        seconds: duration of an uploaded video, and of what is recorded for downloading.
        picture_side: longer side of the pictures sent to the page, pixels; larger ones are scaled down.
        in_flight: pictures sent to the page that it has not shown yet; more are left out.
        idle_seconds: without a message, until a session is closed.
        stall_seconds: that a page may leave what is sent to it unread.
    """

    sessions: int = 4
    upload_bytes: int = 200 * 2**20
    frame_bytes: int = 2 * 2**20
    least_side: int = 16
    frame_side: int = 1920
    video_side: int = 4096
    seconds: float = 600.0
    picture_side: int = 1280
    in_flight: int = 2
    idle_seconds: float = 300.0
    stall_seconds: float = 20.0


def spoken(seconds: float) -> str:
    """A duration, for people."""
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:g} seconds"
