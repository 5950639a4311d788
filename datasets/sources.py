"""From dataset folders to the caches that training reads: built where missing, reused where they fit."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from datasets import coco, got10k, lasot
from datasets.lmdb_cache import CacheOptions, LmdbCache, is_complete, write
from datasets.progress import Progress, silent
from datasets.sequence import Sequence


def open_training_caches(root: str | Path, got10k: str | Path | None = None, lasot: str | Path | None = None,
                         images: str | Path | None = None, synthetic: str | Path | None = None,
                         progress: Progress = silent) -> list[LmdbCache]:
    """Open the training caches of the datasets that are given; build under `root` those that are missing.

    Args:
        root: folder of the caches: ``got10k-train``, ``lasot-train``, ``images``, ``synthetic-train``.
        got10k: GOT-10k root, with ``train/`` in it.
        lasot: LaSOT root; the sequences of its ``training_set.txt``.
        images: COCO annotation file.
        synthetic: root of a generated set, with ``train/`` in it.
        progress: told of the building only.

    Raises:
        DataError: a dataset cannot be read, or a folder under `root` holds a cache of other data or options.
    """
    given = {"got10k": got10k, "lasot": lasot, "images": images, "synthetic": synthetic}
    return [build(Path(root), kind, path, "train", CacheOptions(), progress)
            for kind, path in given.items() if path is not None]


def build(root: Path, kind: str, path: str | Path, split: str = "train", options: CacheOptions | None = None,
          progress: Progress = silent, workers: int | None = None) -> LmdbCache:
    """Open one cache under `root`, after building or finishing it where that is needed.

    Args:
        root: folder of the caches.
        kind: ``got10k``, ``lasot``, ``images`` or ``synthetic``.
        path: root of the dataset, or the annotation file of ``images``.
        split: ``train`` or ``val`` (the testing set in LaSOT's case); still images have no splits.
        options: how frames are stored.
        progress: told of the building only.
        workers: threads that decode and encode; one a core by default.
    """
    options = options or CacheOptions()
    name = kind if kind == "images" else f"{kind}-{split}"
    sequences = _READERS[kind](path, split)
    source = f"{name} {fingerprint(sequences):08x}"
    if not is_complete(root / name, source, options):
        write(sequences, root / name, options, source, progress, workers)
    return LmdbCache(root / name)


def fingerprint(sequences: Iterable[Sequence]) -> int:
    """CRC-32 over names, boxes and visibility: equal for a copy of a dataset, whatever folder it lies in."""
    value = 0
    for sequence in sequences:
        for part in (sequence.name.encode(), np.ascontiguousarray(sequence.boxes), sequence.visible):
            value = zlib.crc32(part, value)
    return value


_READERS: dict[str, Callable[[str | Path, str], list[Sequence]]] = {
    "got10k": got10k.load,
    "synthetic": got10k.load,
    "lasot": lambda path, split: lasot.load(path, "test" if split == "val" else split),
    "images": lambda path, split: coco.load(path),
}
