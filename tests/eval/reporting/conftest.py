"""Evaluations on disk with a known answer: trackers that are off by so many pixels in the walk of a white square."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from stand_ins import Static, truth, write_frames

from eval import results
from eval.dataset import open_dataset
from eval.runner import TrackerSpec
from eval.table import make_entry

SUMMARY = dict(method="mixbin", budget=0.3, flops_ratio=0.25, counted_flops=0.25e9, fp_flops=1e9, seed=0,
               params_1bit=8000, params_32bit=1000)


def digest(content):
    """The SHA-256 of a checkpoint of this content."""
    return hashlib.sha256(content.encode()).hexdigest()


@dataclass
class Study:
    """An OTB folder of short sequences, and results of trackers on it below `folder`."""

    root: Path
    folder: Path
    count: int
    rows: list = field(default_factory=list)

    def __post_init__(self):
        for number in range(self.count):
            boxes = truth(5)
            write_frames(self.root / f"seq{number}" / "img", boxes, "{:04d}.png")
            rows = boxes + np.array([1, 1, 0, 0])
            np.savetxt(self.root / f"seq{number}" / "groundtruth_rect.txt", rows, "%d", delimiter=",")
        self.dataset = open_dataset("otb", self.root)
        self.sequences = self.dataset.sequences()

    def add(self, name, offset=0.0, **facts):
        """Evaluate a tracker that is off by `offset` pixels, a number or one a sequence."""
        spec = TrackerSpec(name, Static, str(self.folder.parent / "runs" / name / "checkpoint.pth"), digest(name),
                           SUMMARY | facts)
        for sequence, shift in zip(self.sequences, np.broadcast_to(offset, len(self.sequences)), strict=True):
            boxes = sequence.boxes + np.array([shift, 0, 0, 0])
            boxes[0] = sequence.boxes[0]
            results.write_track(self.folder / name, sequence, boxes, np.full(len(boxes), 0.01), 1)
        entry = make_entry(spec, self.folder / name, self.sequences, self.dataset.rules, "cpu", 1)
        facts = {key: value for key, value in spec.summary.items() if not key.startswith("params")}
        self.rows.append({**entry.row(), **facts, "bytes": 5000, "sha256": spec.sha256})
        return self.rows[-1]

    def write(self):
        """Write what the commands write beside the result files; returns the folder."""
        (self.folder / "results.json").write_text(json.dumps(self.rows))
        (self.folder / "dataset.json").write_text(json.dumps(dict(
            benchmark="otb", root=str(self.root), split="all", name="otb",
            sequences=[sequence.name for sequence in self.sequences], multi_start=None,
        )))
        return self.folder


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A study of full precision, three seeds of a random mix, and a peer on eight sequences; not to be changed."""
    folder = tmp_path_factory.mktemp("full")
    made = Study(folder / "data", folder / "results" / "otb", 8)
    made.add("fp", method="fp", budget=None)
    for seed in range(3):
        made.add(f"random-{seed}", offset=3 + seed + np.linspace(0, 1, 8), method="random", seed=seed)
    made.add("kcf", method="peer", budget=None, seed=None, counted_flops=None, flops_ratio=None, offset=6)
    return made


@pytest.fixture
def study(tmp_path):
    """Make an empty study of so many sequences."""
    def make(count=3, name="otb"):
        return Study(tmp_path / f"data-{name}", tmp_path / "results" / name, count)

    return make
