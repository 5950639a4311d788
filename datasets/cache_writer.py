"""Writing of caches: decoded on several threads, committed as it goes, resumable after any kind of death."""

from __future__ import annotations

import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import lmdb
import numpy as np

from datasets import cache_manifest
from datasets.cache_lock import build_lock
from datasets.cache_manifest import Entry, Manifest
from datasets.cache_records import ARRAYS, array_key, checksum, frame_key, keys
from datasets.cached_crops import CacheOptions, encode
from datasets.errors import DataError
from datasets.progress import Progress, silent
from datasets.sequence import Sequence

_FIRST_MAP_SIZE = 1 << 26
# A commit waits for the disk; still images would spend all their time there if each had its own.
_COMMIT_SECONDS, _COMMIT_BYTES = 0.5, 1 << 25

Job = TypeVar("Job")
Answer = TypeVar("Answer")


def write(sequences: Iterable[Sequence], folder: str | Path, options: CacheOptions, source: str,
          progress: Progress = silent, workers: int | None = None, replace: bool = False) -> None:
    """Write the cache of `sequences` to `folder`, or finish the one that was begun there.

    Sequences that never show their target are left out. What an earlier run has committed is checked and
    kept; a complete cache of the same source, options and sequences is left as it is. Where another process is
    writing this cache, wait for it.

    Args:
        sequences: with one box for every frame.
        folder: created where needed; holds nothing but this cache.
        options: how frames are stored.
        source: what the sequences are, such as ``got10k-train``; later readers compare it.
        progress: told of the frames that are done, and of waiting.
        workers: threads that decode and encode; one a core by default.
        replace: remove a cache of another source, of other options or of another format that is in the folder,
            instead of refusing; other files are never removed.

    Raises:
        DataError: the folder holds something else or cannot be written, a frame is unreadable, names are not
            unique.
    """
    folder = Path(folder)
    kept = _checked(sequences, source)
    with build_lock(folder, progress):
        if replace and cache_manifest.read_header(folder) not in (None, cache_manifest.header(source, options)):
            shutil.rmtree(folder)
        if not _is_written(folder, kept, options, source):
            _claim(folder, options, source)
            _fill(folder, kept, options, source, progress, workers or os.cpu_count() or 1)


def _fill(folder: Path, kept: list[Sequence], options: CacheOptions, source: str, progress: Progress,
          workers: int) -> None:
    """Encode what is missing of a claimed cache and declare it complete."""
    environment = lmdb.open(str(folder), map_size=_map_size(folder), readahead=False)
    try:
        entries = _committed(environment, folder, kept)
        cache_manifest.start_journal(folder, source, options, list(entries.values()))
        missing = [sequence for sequence in kept if sequence.name not in entries]
        report = _frame_report(progress, f"caching {folder.name}", kept, missing)
        for batch in _batches(_encoded(missing, options, workers, report)):
            _commit(environment, [record for _, records in batch for record in records])
            cache_manifest.append_journal(folder, [entry for entry, _ in batch])
            entries.update((entry.name, entry) for entry, _ in batch)
        environment.sync(True)
    finally:
        environment.close()
    ordered = tuple(entries[sequence.name] for sequence in kept)
    cache_manifest.save(folder, Manifest(source, options, ordered))


def _checked(sequences: Iterable[Sequence], source: str) -> list[Sequence]:
    kept = [sequence for sequence in sequences if sequence.visible.any()]
    if not kept:
        raise DataError(f"{source}: no sequence shows its target; there is nothing to cache")
    seen: set[str] = set()
    for sequence in kept:
        if sequence.name in seen:
            raise DataError(f"{source}: two sequences are named {sequence.name!r}; names must differ")
        if len(sequence.boxes) != len(sequence):
            raise DataError(f"{source}: {sequence.name} has {len(sequence.boxes)} boxes for {len(sequence)} "
                            "frames; training data need a box a frame (a test split has none)")
        seen.add(sequence.name)
    return kept


def _is_written(folder: Path, sequences: list[Sequence], options: CacheOptions, source: str) -> bool:
    """Whether the folder holds this very cache; DataError where it holds another complete one."""
    if not (folder / cache_manifest.MANIFEST).is_file():
        return False
    found = cache_manifest.load(folder)
    _refuse_foreign(folder, cache_manifest.header(found.source, found.options),
                    cache_manifest.header(source, options))
    if {entry.name: entry.frames for entry in found.entries} != {one.name: len(one) for one in sequences}:
        raise DataError(f"{folder}: cache of other sequences of {source}; delete it or choose another folder")
    return True


def _claim(folder: Path, options: CacheOptions, source: str) -> None:
    """Make sure that the folder is empty or holds an unfinished cache of the same kind."""
    if (folder / cache_manifest.JOURNAL).is_file():
        found, _ = cache_manifest.read_journal(folder)
        _refuse_foreign(folder, found, cache_manifest.header(source, options))
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: exists and is no cache of {source}; delete it or choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    cache_manifest.start_journal(folder, source, options, [])


def _refuse_foreign(folder: Path, found: dict, wanted: dict) -> None:
    for key in wanted:
        if found.get(key) != wanted[key]:
            raise DataError(f"{folder}: cache with {key} {found.get(key)}, asked for {wanted[key]}; "
                            "delete it or choose another folder")


def _committed(environment: lmdb.Environment, folder: Path, sequences: list[Sequence]) -> dict[str, Entry]:
    """What the journal lists and the database really holds, by name."""
    wanted = {sequence.name: len(sequence) for sequence in sequences}
    _, noted = cache_manifest.read_journal(folder)
    with environment.begin(buffers=True) as transaction:
        return {entry.name: entry for entry in noted if wanted.get(entry.name) == entry.frames and
                checksum(map(transaction.get, keys(entry.name, entry.frames))) == entry.crc}


def _encoded(sequences: list[Sequence], options: CacheOptions, workers: int, report: Callable[[], None],
             ) -> Iterator[tuple[Entry, list[tuple[bytes, bytes]]]]:
    """Each sequence as its entry and its records (key, value), in order, encoded on `workers` threads."""
    jobs = [(sequence, index) for sequence in sequences for index in range(len(sequence))]
    with ThreadPoolExecutor(workers) as pool:
        frames = _in_order(pool, lambda job: encode(*job, options), jobs, ahead=8 * workers)
        for sequence in sequences:
            images, places = [], []
            for _ in range(len(sequence)):
                data, place = next(frames)
                images.append(data)
                places.append(place)
                report()
            yield _records(sequence, images, np.stack(places))


def _records(sequence: Sequence, images: list[bytes],
             places: np.ndarray) -> tuple[Entry, list[tuple[bytes, bytes]]]:
    arrays = {"boxes": sequence.boxes, "visible": sequence.visible, "frames": places}
    records = [(frame_key(sequence.name, index), data) for index, data in enumerate(images)]
    records += [(array_key(sequence.name, array), np.ascontiguousarray(arrays[array], dtype).tobytes())
                for array, (dtype, _) in ARRAYS.items()]
    return Entry(sequence.name, len(images), checksum(value for _, value in records)), records


def _in_order(pool: ThreadPoolExecutor, function: Callable[[Job], Answer], jobs: list[Job],
              ahead: int) -> Iterator[Answer]:
    """Like `pool.map`, but never more than `ahead` answers wait in memory."""
    waiting: deque[Future[Answer]] = deque()
    try:
        for job in jobs:
            waiting.append(pool.submit(function, job))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _batches(encoded: Iterator[tuple[Entry, list]]) -> Iterator[list[tuple[Entry, list]]]:
    """Gather sequences to commits of at most about half a second or 32 MiB of work."""
    batch: list[tuple[Entry, list]] = []
    size, since = 0, time.monotonic()
    for entry, records in encoded:
        batch.append((entry, records))
        size += sum(len(value) for _, value in records)
        if size >= _COMMIT_BYTES or time.monotonic() - since >= _COMMIT_SECONDS:
            yield batch
            batch, size, since = [], 0, time.monotonic()
    if batch:
        yield batch


def _commit(environment: lmdb.Environment, records: list[tuple[bytes, bytes]]) -> None:
    """Store the records in one transaction, in a map that grows until they fit."""
    while True:
        try:
            with environment.begin(write=True) as transaction:
                for key, value in records:
                    transaction.put(key, value)
            return
        except lmdb.MapFullError:
            environment.set_mapsize(2 * environment.info()["map_size"])


def _map_size(folder: Path) -> int:
    database = folder / cache_manifest.DATABASE
    return max(_FIRST_MAP_SIZE, 2 * database.stat().st_size if database.is_file() else 0)


def _frame_report(progress: Progress, label: str, sequences: list[Sequence],
                  missing: list[Sequence]) -> Callable[[], None]:
    """A function to call once a frame; frames of earlier runs count as done."""
    total = sum(map(len, sequences))
    done = total - sum(map(len, missing))
    progress(label, done, total)

    def report() -> None:
        nonlocal done
        done += 1
        progress(label, done, total)

    return report
