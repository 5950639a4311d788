"""What a peer says about a frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Result(NamedTuple):
    """(4,) float64 x, y, w, h in pixels, 0-based, and how sure the tracker is, 0 to 1."""

    box: np.ndarray
    score: float
