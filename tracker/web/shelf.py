"""The files of a session's last runs, which the page offers for downloading."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

from tracker.web.videos import SUFFIXES

KEPT_RUNS = 4


class Shelf:
    """Each run has a folder of its own; that of the oldest goes when there are too many.

    Args:
        folder: where those are made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs: list[list[Path]] = []
        self._stems: list[Path] = []

    def stems(self, source: str, trackers: Sequence[str]) -> list[Path]:
        """Paths without suffix for a new run's files, a tracker each, called after video and tracker.

        No other run has them, be it finished or not: a new one is named before the one at work has ended.
        """
        folder = self._folder / f"run-{secrets.token_hex(4)}"
        folder.mkdir()
        self._stems = [stem for stem in self._stems if stem.parent.is_dir()]
        taken = {stem.name for stem in self._stems}
        stems = []
        for tracker in trackers:
            name = _file_name(f"{_stem(source)}-{tracker}")
            stems.append(next(each for again in count(1) if (each := name + f"-{again}" * (again > 1)) not in taken))
            taken.add(stems[-1])
        paths = [folder / stem for stem in stems]
        self._stems += paths
        return paths

    def add(self, paths: Sequence[Path]) -> None:
        """Offer the files of a run that has ended."""
        if paths:
            self._runs.insert(0, list(paths))
        for old in self._runs[KEPT_RUNS:]:
            shutil.rmtree(old[0].parent, ignore_errors=True)
        del self._runs[KEPT_RUNS:]

    def find(self, name: str) -> Path | None:
        """The file of that name, if it is offered."""
        return next((path for path in chain(*self._runs) if path.name == name), None)

    def describe(self, address: str) -> list[dict[str, Any]]:
        """What the page is told of the files, those of the last run first."""
        return [{"name": path.name, "bytes": path.stat().st_size, "url": f"{address}/{path.name}"}
                for path in chain(*self._runs)]


def _stem(source: str) -> str:
    """The name of a video's file without its type; a camera's name has none."""
    path = Path(source)
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.=-]+", "-", name).strip("-.")[:100] or "tracked"
