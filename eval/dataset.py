"""What a tracker is evaluated on: a benchmark's folder on disk, read by that benchmark's reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from datasets import dtb70, got10k, lasot, otb, trackingnet, uav123
from datasets.errors import DataError
from datasets.sequence import Sequence
from eval.protocols import BENCHMARKS, Benchmark


@dataclass(frozen=True)
class Format:
    """How a benchmark's folder is read.

    Attributes:
        load: (root, split) -> sequences.
        splits: names that `load` takes, the usual one first.
    """

    load: Callable[[Path, str], list[Sequence]]
    splits: tuple[str, ...]


FORMATS: Mapping[str, Format] = MappingProxyType({
    "got10k": Format(got10k.load, ("val", "test")),
    "otb": Format(otb.load, ("all", *otb.SUBSETS)),
    "lasot": Format(lasot.load, ("test", "train", "all")),
    "uav123": Format(uav123.load, ("30fps", "10fps", "20l")),
    "dtb70": Format(lambda root, split: dtb70.load(root), ("all",)),
    "trackingnet": Format(trackingnet.load, trackingnet.SPLITS),
})


@dataclass(frozen=True)
class Dataset:
    """A benchmark's folder on disk.

    Attributes:
        benchmark: key of `eval.protocols.BENCHMARKS` and of `FORMATS`.
        root: the folder as its site hands it out.
        split: one of the format's splits.
        name: of the results folder, and what tables call it.
    """

    benchmark: str
    root: Path
    split: str
    name: str

    @property
    def rules(self) -> Benchmark:
        """The rules that its table is made by."""
        return BENCHMARKS[self.benchmark]

    def sequences(self) -> list[Sequence]:
        """All sequences of the split.

        Raises:
            DataError: the folder is missing or malformed.
        """
        return FORMATS[self.benchmark].load(self.root, self.split)


def open_dataset(benchmark: str, root: Path, split: str | None = None, name: str | None = None) -> Dataset:
    """Describe a benchmark's folder; nothing is read yet.

    Args:
        benchmark: key of `FORMATS`.
        root: its folder.
        split: None is the usual one.
        name: None is the benchmark's key, with the split where there are several.

    Raises:
        DataError: unknown benchmark or split.
    """
    if benchmark not in FORMATS:
        raise DataError(f"unknown benchmark {benchmark!r}; choose one of {', '.join(FORMATS)}")
    splits = FORMATS[benchmark].splits
    split = split or splits[0]
    if split not in splits:
        raise DataError(f"{BENCHMARKS[benchmark].title} has no split {split!r}; choose one of {', '.join(splits)}")
    usual = benchmark if split == "all" else f"{benchmark}-{split}"
    return Dataset(benchmark, root, split, name or usual)
