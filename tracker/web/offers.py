"""What a page may choose from, under names that tell nothing about the server's folders and passwords."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tracker.errors import OptionError, TrackerError
from tracker.video import Source
from tracker.web.limits import Limits
from tracker.web.openings import Openings
from tracker.web.trackers import Choice, Tracker
from tracker.web.videos import find_video, list_videos, open_video


class Offers:
    """Trackers, videos and cameras of the server.

    Args:
        choices: trackers, the first one preset.
        videos: folder whose videos may be opened, or None.
        cameras: cameras (indices) and streams (URLs) that may be opened.

    Attributes:
        openings: those cameras that are being opened.
    """

    def __init__(self, choices: Iterable[Choice], videos: Path | None = None, cameras: Iterable[str] = ()) -> None:
        self.choices = {choice.name: choice for choice in choices}
        self.videos = videos
        self._cameras = _named(cameras)
        self.openings = Openings()

    def describe(self) -> dict[str, Any]:
        """What the page is told."""
        return {"trackers": [{"name": choice.name, "note": choice.note} for choice in self.choices.values()],
                "videos": list_videos(self.videos), "cameras": list(self._cameras)}

    def preset(self) -> tuple[str, ...]:
        """Names of the trackers that are used until others are chosen."""
        return (next(iter(self.choices)),)

    def tracker(self, name: str) -> Tracker:
        """A new tracker; the first of its kind is loaded.

        Raises:
            TrackerError: there is none of that name, or it cannot be loaded.
        """
        if name not in self.choices:
            raise TrackerError("no such tracker")
        return self.choices[name].make()

    def video(self, name: str, limits: Limits) -> Source:
        """Open a video of the folder.

        Raises:
            TrackerError: there is none of that name, or it is not within the limits.
        """
        return open_video(find_video(self.videos, name), name, limits)

    def camera(self, name: str) -> str:
        """Index or URL of a camera.

        Raises:
            TrackerError: there is none of that name.
        """
        if name not in self._cameras:
            raise TrackerError("no such camera on the server")
        return self._cameras[name]


def _named(cameras: Iterable[str]) -> dict[str, str]:
    """Cameras by names that are shown: of a URL only the host, for the rest may hold a password."""
    named: dict[str, str] = {}
    for camera in cameras:
        if camera in named.values():
            continue
        name = f"Camera {camera}" if camera.isdecimal() else _host(camera)
        alike = [other for other in named if other == name or other.startswith(f"{name} (")]
        named[f"{name} ({len(alike) + 1})" if alike else name] = camera
    return named


def _host(url: str) -> str:
    try:
        return f"Camera at {urlsplit(url).hostname or 'an address'}"
    except ValueError:
        return "Camera at an address"


def for_the_page(error: Exception) -> str:
    """What is wrong, in the words of a page: without options, and without paths and addresses of the server."""
    return error.reason if isinstance(error, OptionError) else str(error)
