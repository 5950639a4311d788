"""The tracker: its network, its training, and `SiameseTracker`, which follows one target through a video.

    import tracker
    t = tracker.load()
    t.init(frame, box)
    box, score, lost = t.update(next_frame)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracker.frames import Colour
    from tracker.online import SiameseTracker

__all__ = ["load"]


def load(checkpoint: str | Path | None = None, device: str = "cpu", colour: Colour = "bgr") -> SiameseTracker:
    """A tracker to `init` and `update`.

    Args:
        checkpoint: what training or export wrote, or "ready" (as None) or "ready-fp", which come with the package.
        device: a packed tracker, as the package's is, runs on the CPU only.
        colour: order of the frames' channels, "bgr" as OpenCV reads them or "rgb".

    Raises:
        tracker.errors.CheckpointError: the file cannot be read or holds something else.
        tracker.errors.TrackerError: another colour.
    """
    from tracker.form import choose_packed
    from tracker.online import load_tracker
    from tracker.ready import named

    file = named("ready" if checkpoint is None else str(checkpoint))
    return load_tracker(file, device, choose_packed(None, device), colour)
