"""What a study measures of a trained tracker: overlaps on benchmarks, once through and from many starts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from eval import multi_start
from eval.dataset import Dataset
from eval.runner import Settings, checkpoint_spec, evaluate
from eval.table import make_entry
from tracker.form import choose_packed
from tracker.online import load_tracker


def measure(checkpoint: Path, benchmarks: list[Dataset], out: Path, device: str, threads: int) -> dict[str, Any]:
    """Track every sequence of the benchmarks, in one other process, packed where that can be: the same boxes, sooner.

    Args:
        out: for the result files, a folder a benchmark.

    Returns:
        By benchmark name: ``ao``, ``sr50``, ``success``, ``precision`` as fractions, ``fps``, and ``starts``, the
        mean overlap of each sequence's runs from many starts.

    Raises:
        DataError, TrackerError: a benchmark or the checkpoint cannot be read, or tracking failed; names which.
    """
    starts = multi_start.Options()
    packed = choose_packed(None, device)
    spec = checkpoint_spec("tracker", checkpoint, partial(load_tracker, packed=packed), form="packed" if packed else "")
    found = {}
    for dataset in benchmarks:
        sequences = dataset.sequences()
        settings = Settings(dataset.name, dataset.rules.curves.origin, 1, device, threads, multi_start=starts,
                            root=str(dataset.root.resolve()))
        for done in evaluate([spec], sequences, out / dataset.name, settings):
            raise RuntimeError(f"{dataset.name}, {done.task.sequence.name}: {done.error}")
        entry = make_entry(spec, out / dataset.name / spec.name, sequences, dataset.rules, device, threads, starts)
        row = entry.row()
        found[dataset.name] = {key: row[key] for key in ("ao", "sr50", "success", "precision", "fps")}
        found[dataset.name]["starts"] = entry.starts
    return found
