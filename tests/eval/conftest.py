"""Tiny sequences with a known answer."""

import sys
from pathlib import Path

import numpy as np
import pytest

from datasets.sequence import Sequence

# Worker processes import the stand-in trackers by name.
sys.path.insert(0, str(Path(__file__).parent))


from nanotrack_files import write_nanotrack
from stand_ins import truth, write_frames


@pytest.fixture
def sequences(tmp_path) -> list[Sequence]:
    """Three sequences of 4, 5 and 6 frames."""
    made = []
    for name, frames in (("slow", 4), ("steady", 5), ("quick", 6)):
        boxes = truth(frames, step=frames - 3)
        paths = write_frames(tmp_path / "frames" / name, boxes)
        made.append(Sequence(name, "walk", paths, boxes, np.ones(frames, dtype=bool)))
    return made


@pytest.fixture
def got10k_root(tmp_path) -> Path:
    """A GOT-10k folder with two sequences in val and one in test."""
    root = tmp_path / "got10k"
    for split, names in (("val", ("a", "b")), ("test", ("c",))):
        for name in names:
            boxes = truth(4)
            write_frames(root / split / name, boxes)
            rows = boxes[:1] if split == "test" else boxes
            np.savetxt(root / split / name / "groundtruth.txt", rows, fmt="%.4f", delimiter=",")
        (root / split / "list.txt").write_text("\n".join(names) + "\n")
    return root


@pytest.fixture(scope="session")
def nanotrack_folder(tmp_path_factory) -> Path:
    """The four files of `find_peers`."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("nanotrack")
    write_nanotrack(folder, "nanotrackv2", 16)
    write_nanotrack(folder, "nanotrackv3", 15)
    return folder
