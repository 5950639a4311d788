"""Where a study trains and measures, and where it keeps what comes of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from datasets.lmdb_cache import LmdbCache
from datasets.sources import make_caches
from eval.dataset import Dataset
from eval.study.plan import Cell, Variant
from tracker.training.data import TrainingData


@dataclass(frozen=True)
class Sources:
    """Where a study trains and measures.

    Attributes:
        study: its name, of its folder in the work dir. Studies of one work dir share the full-precision trackers.
        data: to train on.
        validation: root of GOT-10k, whose ``val`` gives the held-out pairs.
        teacher: name and weights of the teacher of the full-precision trackers, see `tracker.training.teacher`.
        benchmarks: to measure on.
        work_dir: of all studies.
        device: torch device.
        threads: torch threads a process.
    """

    study: str
    data: TrainingData
    validation: Path
    teacher: tuple[str, Path] | None
    benchmarks: list[Dataset]
    work_dir: Path
    device: str = "cpu"
    threads: int = 1

    @property
    def folder(self) -> Path:
        """Of the study alone."""
        return self.work_dir / self.study

    def base(self, name: str) -> Path:
        """Run directory of a full-precision tracker."""
        return self.work_dir / "bases" / name / "fp"

    def runs(self, variant: Variant, seed: int) -> Path:
        """Work dir of a variant's trainings; its budgets share it, and with it what a search may reuse."""
        return self.folder / "runs" / variant.name / f"seed{seed}"

    def row(self, cell: Cell) -> Path:
        """File of what came out of one training."""
        return self.folder / "rows" / f"{cell.name}.json"

    def held_out(self) -> list[LmdbCache]:
        """Caches of the sequences that held-out pairs are of.

        Raises:
            DataError: they cannot be read.
        """
        return make_caches(self.work_dir / "held-out", {"got10k": self.validation}, "val")

    @cached_property
    def identity(self) -> dict[str, list[str]]:
        """What is trained and measured on, whatever folders it lies in; caches are built where they are missing.

        Worker processes are sent it along, and read no data for it.

        Raises:
            DataError: data cannot be read.
        """
        caches = [*self.data.caches(), self.data.cut_outs(), *self.held_out()]
        teacher = [] if self.teacher is None else [
            self.teacher[0], hashlib.sha256(self.teacher[1].read_bytes()).hexdigest()]
        return {"data": [f"{cache.folder.name}: {cache.source}" for cache in caches if cache is not None],
                "teacher": teacher, "benchmarks": [dataset.name for dataset in self.benchmarks]}
