"""Our trackers inside the experiments of the got10k package (extra ``got10k``).

    from pathlib import Path
    from got10k.experiments import ExperimentGOT10k
    from eval.got10k_adapter import Got10kTracker
    from tracker.online import load_tracker

    mine = Got10kTracker("mine", load_tracker(Path("work_dirs/run/checkpoint.pth")))
    experiment = ExperimentGOT10k("/data/GOT-10k", subset="val")
    experiment.run(mine)
    experiment.report([mine.name])
"""

from __future__ import annotations

from typing import Any

import numpy as np
from got10k.trackers import Tracker as ToolkitTracker

from eval.tracking import Tracker


class Got10kTracker(ToolkitTracker):
    """What the package runs: PIL images in RGB and boxes as arrays, around anything that we can evaluate.

    Args:
        name: of its result folder.
        tracker: gets (H, W, 3) uint8 BGR frames and 0-based boxes.
        origin: base of the experiment's own boxes: 0 for GOT-10k, 1 for OTB, UAV123 and DTB70.
        deterministic: the package runs the others several times.
    """

    def __init__(self, name: str, tracker: Tracker, origin: int = 0, deterministic: bool = True) -> None:
        super().__init__(name, is_deterministic=deterministic)
        self._tracker = tracker
        self._shift = np.array([origin, origin, 0, 0], dtype=np.float64)

    def init(self, image: Any, box: np.ndarray) -> None:
        """Show the target `box` (4,) in the first PIL image."""
        self._tracker.init(_bgr(image), np.asarray(box, dtype=np.float64) - self._shift)

    def update(self, image: Any) -> np.ndarray:
        """Find the target in the next PIL image, (4,)."""
        return np.asarray(self._tracker.update(_bgr(image)).box, dtype=np.float64) + self._shift


def _bgr(image: Any) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])
