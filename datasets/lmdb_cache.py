"""LMDB caches of training data: one folder a dataset split, read lazily in every process.

LMDB is opened without lock files: a cache is complete before anyone reads it, and it may lie on a read-only
disk.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from weakref import WeakValueDictionary

import lmdb
import numpy as np

from datasets import cache_manifest
from datasets.cache_records import ARRAYS, array_key, checksum, frame_key, keys
from datasets.cache_writer import write
from datasets.cached_crops import CachedCrop, CacheOptions
from datasets.errors import DataError
from datasets.images import decode

__all__ = ["CacheOptions", "CachedCrop", "LmdbCache", "is_complete", "verify", "write"]

# LMDB forbids to open one database twice in a process, and an environment must not be used after a fork. Keys
# are the device and number of the file, not its path: a cache may be rebuilt while a reader of the old one
# lives.
_environments: WeakValueDictionary[tuple[int, int], lmdb.Environment] = WeakValueDictionary()
_process = os.getpid()


class LmdbCache:
    """A complete cache. The manifest is read at once, the database at the first access in each process.

    Instances may be pickled (spawned workers) and used after a fork.

    Args:
        folder: what `write` filled.

    Raises:
        DataError: the cache is missing, unfinished, of another version or damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        manifest = cache_manifest.load(self.folder)
        self.source = manifest.source
        self.options = manifest.options
        self.names: tuple[str, ...] = tuple(entry.name for entry in manifest.entries)
        self._frames = {entry.name: entry.frames for entry in manifest.entries}
        self._environment: lmdb.Environment | None = None
        self._process = -1

    def __len__(self) -> int:
        return len(self.names)

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_environment": None, "_process": -1}

    def only(self, *names: str) -> LmdbCache:
        """The same cache with these of its sequences alone."""
        part = copy.copy(self)
        part.names = names
        return part

    def frame_count(self, name: str) -> int:
        """Number of frames of a sequence."""
        return self._frames[name]

    def boxes(self, name: str) -> np.ndarray:
        """(N, 4) float64 x, y, w, h in frame pixels, 0-based; meaningless where the target is absent."""
        return self._array(name, "boxes")

    def visible(self, name: str) -> np.ndarray:
        """(N,) bool, False where the target is absent."""
        return self._array(name, "visible")

    def crop(self, name: str, index: int) -> CachedCrop:
        """Decode what is stored of frame `index`.

        Raises:
            DataError: the record is missing or damaged.
        """
        scale, left, top, *fill = self._array(name, "frames")[index]
        image = decode(self._record(frame_key(name, index)), f"{self.folder}, {name}, frame {index}",
                       alpha=self.options.mode == "object")
        return CachedCrop(image, float(scale), float(left), float(top), np.array(fill))

    def _array(self, name: str, array: str) -> np.ndarray:
        dtype, shape = ARRAYS[array]
        return np.frombuffer(self._record(array_key(name, array)), dtype).reshape(-1, *shape)

    def _record(self, key: bytes) -> bytes:
        if self._environment is None or self._process != os.getpid():
            self._environment, self._process = _open(self.folder), os.getpid()
        with self._environment.begin() as transaction:
            record = transaction.get(key)
        if record is None:
            raise DataError(f"{self.folder}: record {key.decode()} is missing; delete and rebuild the cache")
        return record


def is_complete(folder: str | Path, source: str, options: CacheOptions) -> bool:
    """Whether `folder` holds a complete, readable cache of this source with these options."""
    try:
        manifest = cache_manifest.load(Path(folder))
    except DataError:
        return False
    return manifest.source == source and manifest.options == options


def verify(folder: str | Path) -> None:
    """Recompute the checksum of every sequence.

    Raises:
        DataError: the cache is no complete cache, or records of the named sequence have changed.
    """
    folder = Path(folder)
    manifest = cache_manifest.load(folder)
    with _open(folder).begin(buffers=True) as transaction:
        for entry in manifest.entries:
            if checksum(map(transaction.get, keys(entry.name, entry.frames))) != entry.crc:
                raise DataError(f"{folder}: records of {entry.name} are damaged; rebuild the cache")


def _open(folder: Path) -> lmdb.Environment:
    """The environment of this process for the cache in `folder`."""
    global _process
    if _process != os.getpid():  # forked: inherited environments count as open until they are closed here
        for environment in list(_environments.values()):
            environment.close()
        _environments.clear()
        _process = os.getpid()
    try:
        database = (folder / cache_manifest.DATABASE).stat()
    except OSError as error:
        raise DataError(f"{folder}: cannot open the cache ({error.strerror})") from error
    key = (database.st_dev, database.st_ino)
    opened = _environments.get(key)
    if opened is None:
        try:
            opened = lmdb.open(str(folder), readonly=True, lock=False, readahead=False, meminit=False,
                               max_spare_txns=4)
        except lmdb.Error as error:
            raise DataError(f"{folder}: cannot open the cache ({error}); delete and rebuild it") from error
        _environments[key] = opened
    return opened
