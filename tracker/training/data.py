"""The training data that options name, as caches: opened, or built where they are missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmengine.dist import is_main_process

from datasets import synthetic as generated
from datasets.lmdb_cache import LmdbCache
from datasets.progress import progress_bars
from datasets.sources import make_objects, open_training_caches
from tracker.errors import TrackerError
from tracker.training.ranks import from_first

LMDB = Path("work_dirs/data/lmdb")


@dataclass(frozen=True)
class TrainingData:
    """Where training data is.

    Attributes:
        got10k, lasot: roots of these datasets.
        images: COCO-style annotations of still images.
        synthetic: whether the embedded generated set is used beside them; without any of them it is in any case.
        objects, masks: images and masks of objects to paste into pairs.
        lmdb: folder of the caches.

    Raises:
        TrackerError: objects without masks, or the other way round.
    """

    got10k: Path | None = None
    lasot: Path | None = None
    images: Path | None = None
    synthetic: bool = False
    objects: Path | None = None
    masks: Path | None = None
    lmdb: Path = LMDB

    def __post_init__(self) -> None:
        if (self.objects is None) != (self.masks is None):
            given, other = ("--objects", "--masks") if self.objects else ("--masks", "--objects")
            raise TrackerError(f"{given}: needs {other} beside it; objects are cut from images by masks")

    def caches(self) -> list[LmdbCache]:
        """One cache a dataset; the first process builds what is missing.

        Raises:
            DataError: a dataset cannot be read, or the folder holds a cache of something else.
        """
        def build() -> list[Path]:
            with progress_bars() as show:
                embedded = None
                if self.synthetic or not (self.got10k or self.lasot or self.images):
                    embedded = generated.ensure(generated.default_root(), generated.SyntheticOptions(), show)
                return [cache.folder for cache in open_training_caches(
                    self.lmdb, self.got10k, self.lasot, self.images, embedded, show)]

        caches = [LmdbCache(path) for path in from_first(build)]
        if is_main_process():
            print("training data: " + ", ".join(f"{cache.folder} ({len(cache)} sequences)" for cache in caches),
                  flush=True)
        return caches

    def cut_outs(self) -> LmdbCache | None:
        """Cache of the objects to paste, None where there are none; the first process builds it.

        Raises:
            DataError: images or masks cannot be read.
        """
        if self.objects is None or self.masks is None:
            return None
        objects, masks = self.objects, self.masks

        def build() -> Path:
            with progress_bars() as show:
                return make_objects(self.lmdb, objects, masks, progress=show).folder

        cache = LmdbCache(from_first(build))
        if is_main_process():
            print(f"objects to paste: {cache.folder} ({len(cache)} sequences)", flush=True)
        return cache
