"""Zip files for the servers of benchmarks whose test split publishes first boxes only."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Sequences
from pathlib import Path
from types import MappingProxyType

import numpy as np

from datasets.errors import DataError
from datasets.files import replacing
from datasets.sequence import Sequence
from eval import results
from eval.dataset import Dataset

Layout = Callable[[str, np.ndarray, np.ndarray], Iterator[tuple[str, str]]]
"""(name of a sequence, (N, 4) boxes, (N,) seconds) -> files of the zip with their text."""


def _got10k(name: str, boxes: np.ndarray, times: np.ndarray) -> Iterator[tuple[str, str]]:
    """As the got10k toolkit records and packs them (experiments/got10k.py, `_record` and `report`)."""
    yield f"{name}/{name}_001.txt", _rows(boxes, 3)
    yield f"{name}/{name}_time.txt", _rows(times[:, None], 8)


def _trackingnet(name: str, boxes: np.ndarray, times: np.ndarray) -> Iterator[tuple[str, str]]:
    """As the TrackingNet devkit asks for them: one file a sequence at the zip's root."""
    yield f"{name}.txt", _rows(boxes, 3)


LAYOUTS: Mapping[str, Layout] = MappingProxyType({"got10k": _got10k, "trackingnet": _trackingnet})
"""What the server of a benchmark reads, by the benchmark's key."""


def write_submission(folder: Path, dataset: Dataset, sequences: Sequences[Sequence], path: Path) -> None:
    """Pack the results of one tracker for the benchmark's server.

    Args:
        folder: the tracker's result folder.
        dataset: the test split that `sequences` are.
        sequences: all of them; the server takes no part.
        path: of the zip, which appears whole or not at all.

    Raises:
        DataError: the benchmark has no such server, this is not its test split, or a sequence has no result.
    """
    _require_test(dataset, sequences)
    origin = dataset.rules.curves.origin
    missing = [sequence.name for sequence in sequences if not results.is_done(folder, sequence, origin)]
    if missing:
        raise DataError(
            f"{path}: not written; {len(missing)} of {len(sequences)} sequences have no result: {', '.join(missing)}"
        )
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for sequence in sequences:
            # In the files' own base, as the benchmark writes its boxes.
            boxes = results.read_track(folder, sequence, origin) + np.array([origin, origin, 0, 0])
            for name, text in LAYOUTS[dataset.benchmark](sequence.name, boxes, results.read_times(folder, sequence)):
                archive.writestr(name, text)


def _require_test(dataset: Dataset, sequences: Sequences[Sequence]) -> None:
    """Val and test are easily mixed up, and a server counts every attempt."""
    if dataset.benchmark not in LAYOUTS:
        raise DataError(f"{dataset.rules.title} has no server to submit to")
    if dataset.split != "test":
        raise DataError(f"{dataset.root}: {dataset.name} is the split {dataset.split!r}; only 'test' can be submitted")
    for sequence in sequences:
        if len(sequence.boxes) > 1:
            raise DataError(
                f"{dataset.root}: {sequence.name} has its truth published, so this is not {dataset.rules.title} test"
            )


def _rows(values: np.ndarray, digits: int) -> str:
    return "".join(",".join(f"{value:.{digits}f}" for value in row) + "\n" for row in values)
