"""A walk that a stand-in for NanoTrack can follow."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def walk() -> tuple[list[np.ndarray], np.ndarray]:
    """Frames (160, 240, 3) on which a square with a bright middle walks, and its boxes (12, 4)."""
    boxes = np.array([[60 + 3 * index, 50 + 2 * index, 30, 30] for index in range(12)], dtype=np.float64)
    ground = np.random.default_rng(0).integers(0, 40, (160, 240, 3), dtype=np.uint8)
    frames = []
    for x, y, w, h in boxes.astype(int):
        frames.append(ground.copy())
        frames[-1][y:y + h, x:x + w] += 40
        frames[-1][y + h // 3:y + 2 * h // 3, x + w // 3:x + 2 * w // 3] += 150
    return frames, boxes
