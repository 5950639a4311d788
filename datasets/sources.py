"""From dataset folders to the caches that training reads: built where missing, reused where they fit."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from datasets import coco, got10k, lasot
from datasets import masks as masked
from datasets import synthetic as generated
from datasets.errors import DataError
from datasets.lmdb_cache import CacheOptions, LmdbCache, is_complete, verify, write
from datasets.progress import Progress, silent
from datasets.sequence import Sequence

# How each kind of dataset is read: (root or annotation file, split) -> sequences.
_READERS: Mapping[str, Callable[[str | Path, str], list[Sequence]]] = {
    "got10k": got10k.load,
    "lasot": lambda path, split: lasot.load(path, "test" if split == "val" else split),
    "images": lambda path, split: coco.load(path),
    "synthetic": got10k.load,
}
# An object fills 64 of a template's 127 pixels, a thin one in its length up to 147: more would be stored in vain.
OBJECT_OPTIONS = CacheOptions(mode="object", max_side=160)


def open_training_caches(root: str | Path, got10k: str | Path | None = None, lasot: str | Path | None = None,
                         images: str | Path | None = None, synthetic: str | Path | None = None,
                         progress: Progress = silent) -> list[LmdbCache]:
    """Open the training caches of the datasets that are given; build under `root` those that are missing.

    A stale cache of the embedded set (the default root of `datasets.synthetic`) is built anew; others are refused.

    Args:
        root: folder of the caches ``got10k-train``, ``lasot-train``, ``images``, ``synthetic-train``.
        got10k: GOT-10k root, with ``train/`` in it.
        lasot: LaSOT root; the sequences of its ``training_set.txt``.
        images: COCO annotation file.
        synthetic: root of a generated set, with ``train/`` in it.
        progress: told of the building only.

    Raises:
        DataError: a dataset cannot be read, or a folder under `root` holds a cache of other data or options.
    """
    paths = {"got10k": got10k, "lasot": lasot, "images": images, "synthetic": synthetic}
    given = {kind: path for kind, path in paths.items() if path is not None}
    return make_caches(root, given, progress=progress, replace_embedded=True)


def make_caches(root: str | Path, datasets: Mapping[str, str | Path], split: str = "train",
                options: CacheOptions | None = None, workers: int | None = None,
                progress: Progress = silent, replace_embedded: bool = False) -> list[LmdbCache]:
    """Open one cache a dataset under `root`, after building or finishing those that need it.

    Args:
        root: folder of the caches, ``KIND-SPLIT`` each.
        datasets: by kind (``got10k``, ``lasot``, ``images``, ``synthetic``) the root or annotation file.
        split: ``train`` or ``val`` (LaSOT's testing set); still images have no splits.
        options: how frames are stored.
        workers: threads that decode and encode; one a core by default.
        progress: told of the building only.
        replace_embedded: build the cache of the embedded set anew where it is stale: nobody made that one by hand.

    Raises:
        DataError: a dataset cannot be read, or a folder under `root` holds a cache of other data or options.
    """
    options = options or CacheOptions()
    # All are read before the first is cached, which may take hours.
    sequences = {kind: _READERS[kind](path, split) for kind, path in datasets.items()}
    caches = []
    for kind, path in datasets.items():
        name = kind if kind == "images" else f"{kind}-{split}"
        recipe = generated.recipe(path) if kind == "synthetic" else ""
        replace = replace_embedded and kind == "synthetic" and Path(path) == generated.default_root()
        caches.append(_cache(Path(root) / name, sequences[kind], recipe, options, workers, progress, replace))
    return caches


def make_objects(root: str | Path, images: str | Path, masks: str | Path, workers: int | None = None,
                 progress: Progress = silent) -> LmdbCache:
    """Open the cache ``objects`` of cut-outs under `root`, after building or finishing it where needed.

    Args:
        root: folder of the caches.
        images: root of images ``SEQ/NAME.jpg``.
        masks: root of their masks ``SEQ/NAME.png``, 0 or 255.
        workers: threads that decode and encode; one a core by default.
        progress: told of the building only.

    Raises:
        DataError: as `datasets.masks.load`, or the folder holds a cache of other data.
    """
    return _cache(Path(root) / "objects", masked.load(images, masks), "", OBJECT_OPTIONS, workers, progress)


def _cache(folder: Path, sequences: list[Sequence], recipe: str, options: CacheOptions, workers: int | None,
           progress: Progress, replace: bool = False) -> LmdbCache:
    source = f"{folder.name} {_fingerprint(sequences, recipe):08x}"
    if not is_complete(folder, source, options):
        write(sequences, folder, options, source, progress, workers, replace)
    return LmdbCache(folder)


def verify_caches(root: str | Path, progress: Progress = silent) -> None:
    """Check the records of every cache under `root` against their checksums.

    Raises:
        DataError: there is no cache under `root`, or one is unfinished or damaged.
    """
    folders = sorted(path.parent for path in Path(root).glob("*/data.mdb"))
    if not folders:
        raise DataError(f"{root}: no caches in this folder")
    for done, folder in enumerate(folders, start=1):
        verify(folder)
        progress("verifying caches", done, len(folders))


def _fingerprint(sequences: Iterable[Sequence], recipe: str) -> int:
    """CRC-32 over names, boxes and visibility: equal for a copy of a dataset, whatever folder it lies in.

    Of a generated set also over its recipe: another generator may draw other pictures around the same boxes.
    """
    value = zlib.crc32(recipe.encode())
    for sequence in sequences:
        for part in (sequence.name.encode(), sequence.boxes.tobytes(), sequence.visible.tobytes()):
            value = zlib.crc32(part, value)
    return value
