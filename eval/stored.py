"""What earlier calls have left in an evaluation's folder: `dataset.json` and `results.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.errors import DataError
from eval import multi_start
from eval.dataset import Dataset
from eval.results import has_owner
from eval.runner import TrackerSpec
from eval.tracking import Tracker


@dataclass(frozen=True)
class Stored:
    """An evaluation on disk.

    Attributes:
        benchmark, root: its key, and the folder of its images.
        sequences: names of those that were scored.
        multi_start: options of its many starts, None without.
        rows: of `results.json`.
        notes: lines about what was missing.
    """

    benchmark: str
    root: str
    sequences: list[str]
    multi_start: multi_start.Options | None
    rows: list[Mapping[str, Any]]
    notes: list[str]

    def is_of(self, dataset: Dataset) -> bool:
        """Whether it was made on the same benchmark's images in the same folder."""
        return (self.benchmark, self.root) == (dataset.benchmark, str(dataset.root.resolve()))

    def trackers(self, out: Path) -> list[tuple[TrackerSpec, int]]:
        """The trackers whose results are still in `out`, and the threads that they ran with."""
        found = []
        for row in self.rows:
            if has_owner(out / row["tracker"], row["sha256"]):
                spec = TrackerSpec(row["tracker"], _gone, row["checkpoint"], row["sha256"], dict(row),
                                   row["device"])
                found.append((spec, row["threads"]))
        return found


def read_stored(out: Path) -> Stored | None:
    """The evaluation in a folder; None where there is none, or none that this version wrote."""
    try:
        dataset = json.loads((out / "dataset.json").read_text())
        rows = json.loads((out / "results.json").read_text())
        starts = dataset["multi_start"]
        needed = ("tracker", "sha256", "checkpoint", "device", "threads")
        if not all(key in row for row in rows for key in needed):
            return None
        options = starts and multi_start.Options(**starts)
        return Stored(dataset["benchmark"], dataset["root"], dataset["sequences"], options, rows,
                      dataset.get("notes", []))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _gone(device: str) -> Tracker:
    """What an earlier call made the tracker from is not known here: its files are scored, nothing is tracked."""
    raise DataError("a tracker of an earlier call cannot track; name its checkpoint")
