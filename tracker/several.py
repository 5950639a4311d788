"""Several targets in one video, which share one network call a frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from tracker.frames import as_bgr
from tracker.online import SiameseTracker
from tracker.track import Result, Track, start_track


class SeveralTracker:
    """Follows any number of targets; `update` makes one network call, with a crop of each.

    Args:
        tracker: whose network and options are used; its own target is left alone. Not for two threads at once.
    """

    def __init__(self, tracker: SiameseTracker) -> None:
        self.tracker = tracker
        self._tracks: list[Track] = []

    def __len__(self) -> int:
        return len(self._tracks)

    @torch.inference_mode()
    def init(self, frame: np.ndarray, boxes: Sequence[np.ndarray]) -> None:
        """Show all targets, in the place of those before.

        Args:
            frame: as `SiameseTracker.init` takes it.
            boxes: x, y, w, h each, in pixels, 0-based.

        Raises:
            TrackerError: not such a frame, or a box without area or outside the frame; nothing has changed then.
        """
        self._tracks, before = [], self._tracks
        try:
            image = as_bgr(frame, self.tracker.colour)
            for number, box in enumerate(boxes):
                self._start(image, number, box)
            self._prepare(image)
        except BaseException:
            self._tracks = before
            raise

    @torch.inference_mode()
    def select(self, frame: np.ndarray, number: int, box: np.ndarray) -> None:
        """Show target `number` anew, or a further one where `number` is how many there are.

        Raises:
            TrackerError: as `init`.
        """
        image = as_bgr(frame, self.tracker.colour)
        self._start(image, number, box)
        self._prepare(image)

    def _start(self, image: np.ndarray, number: int, box: np.ndarray) -> None:
        network, options = self.tracker.network, self.tracker.lost_options
        self._tracks[number:number + 1] = [start_track(network, image, box, options)]

    def _prepare(self, image: np.ndarray) -> None:
        if self._tracks:
            self.tracker.prepare(image, self._tracks)

    @torch.inference_mode()
    def update(self, frame: np.ndarray) -> list[Result]:
        """Find the targets in the next frame.

        Raises:
            TrackerError: the frame is no image.
        """
        image = as_bgr(frame, self.tracker.colour)
        if not self._tracks:
            return []
        candidates = self.tracker.localize(image, [track.search(image) for track in self._tracks])
        taken = [track.take(candidate, image) for track, candidate in zip(self._tracks, candidates, strict=True)]
        self._tracks = [track for track, _ in taken]
        return [result for _, result in taken]
