"""Tiny datasets in the benchmarks' layouts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets.opencv import cv2
from datasets.sequence import Sequence


def write_image(path: Path, size: tuple[int, int] = (64, 48), seed: int = 0) -> Path:
    """A smooth random picture of `size` (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC))
    return path


def write_lines(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture
def image() -> Callable[..., Path]:
    return write_image


@pytest.fixture
def lines() -> Callable[..., Path]:
    return write_lines


@pytest.fixture
def masked(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Roots of images and masks: videos whose object is white on black, a rectangle x, y, w, h or the disc in it."""

    def make(boxes: dict[str, list[tuple[int, int, int, int]]], size: tuple[int, int] = (160, 120),
             discs: bool = False) -> tuple[Path, Path]:
        roots = tmp_path / "images", tmp_path / "masks"
        for name, rows in boxes.items():
            for number, (x, y, width, height) in enumerate(rows, start=1):
                mask = np.zeros((size[1], size[0]), np.uint8)
                if discs:
                    centre, half = (x + width // 2, y + height // 2), (width // 2, height // 2)
                    cv2.ellipse(mask, centre, half, 0, 0, 360, 255, -1)
                else:
                    mask[y:y + height, x:x + width] = 255
                for root, suffix in zip(roots, (".jpg", ".png"), strict=True):
                    (root / name).mkdir(parents=True, exist_ok=True)
                    cv2.imwrite(str(root / name / f"{number:08d}{suffix}"), mask)
        return roots

    return make


@pytest.fixture
def marked(tmp_path: Path) -> Callable[..., list[Sequence]]:
    """Sequences whose target is a white rectangle on a dark, textured ground; exactly its box."""

    def make(counts: dict[str, int], size: tuple[int, int] = (320, 240), dataset: str = "marked",
             seed: int = 0) -> list[Sequence]:
        rng = np.random.default_rng(seed)
        sequences = []
        for name, count in counts.items():
            frames, boxes = [], []
            for index in range(count):
                picture = rng.integers(0, 40, (size[1], size[0], 3), dtype=np.uint8)
                width, height = (int(value) for value in rng.integers(20, 60, 2))
                x, y = int(rng.integers(0, size[0] - width)), int(rng.integers(0, size[1] - height))
                picture[y:y + height, x:x + width] = 255
                path = tmp_path / dataset / name / f"{index:08d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), picture)
                frames.append(path)
                boxes.append((x, y, width, height))
            sequences.append(Sequence(name, dataset, tuple(frames), np.array(boxes, dtype=np.float64),
                                      np.ones(count, dtype=bool)))
        return sequences

    return make
