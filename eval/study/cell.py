"""One training of a study and its measurement, each in the process that it is called in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from b2nn.plan import load_plan
from datasets.files import write_text
from datasets.lmdb_cache import LmdbCache
from datasets.sources import make_caches
from eval.dataset import Dataset
from eval.study.held_out import held_out_losses
from eval.study.measure import measure
from eval.study.plan import Cell, Study, Variant
from tracker.config import load_config
from tracker.training.data import TrainingData
from tracker.training.pipeline import Job, check, train
from tracker.validation import pair_options


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


def base_job(study: Study, name: str, sources: Sources) -> Job:
    """The training of one of the study's full-precision trackers; its data is not opened yet."""
    return replace(_job(study, study.bases[name], sources), methods=("fp",), teacher=sources.teacher,
                   work_dir=sources.base(name).parent)


def cell_job(study: Study, cell: Cell, sources: Sources) -> Job:
    """The training of one cell, from its full-precision tracker; its data is not opened yet."""
    variant, plan = cell.variant, None
    if variant.plan_of is not None:
        giver = next(other for other in study.variants if other.name == variant.plan_of)
        plan = sources.runs(giver, cell.seed) / f"{giver.method}-{cell.budget:g}" / "plan.json"
    return replace(
        _job(study, study.bases[variant.base] | variant.overrides, sources), methods=(variant.method,), plan=plan,
        budgets=() if cell.budget is None else (cell.budget,), seed=cell.seed,
        work_dir=sources.runs(variant, cell.seed), full_precision=sources.base(variant.base))


def train_base(study: Study, name: str, sources: Sources) -> None:
    """Train one of the study's full-precision trackers, or go on with it.

    Raises:
        ValueErrors of the packages.
    """
    with _logged(sources.base(name).with_name("fp.txt")):
        _train(base_job(study, name, sources), sources)


def run_cell(study: Study, cell: Cell, sources: Sources) -> None:
    """Train and measure one cell, or go on with it; its row comes last.

    Raises:
        ValueErrors of the packages.
    """
    base = sources.base(cell.variant.base)
    with _logged(sources.folder / "logs" / f"{cell.name}.txt"):
        run = base if cell.variant.method == "fp" else _train(cell_job(study, cell, sources), sources)
        checkpoint = run / "checkpoint.pth"
        config = load_config(run / "config.py")
        found = {
            "held_out": held_out_losses(checkpoint, base / "checkpoint.pth", _validation(sources),
                                        pair_options(config, "finetune"), study.held_out_batches,
                                        config.data.batch_size, sources.device),
            "benchmarks": measure(checkpoint, sources.benchmarks, sources.folder / "results" / cell.name,
                                  sources.device, sources.threads),
        }
    write_text(sources.row(cell), json.dumps(_facts(cell, run) | found | {"made_by": made_by(study, cell)}) + "\n")


def made_by(study: Study, cell: Cell) -> str:
    """Fingerprint of what the study says about a cell: a row of another one is not this cell's."""
    facts = [study.config, study.overrides, study.bases[cell.variant.base], asdict(cell), study.held_out_batches]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def _job(study: Study, overrides: dict[str, Any], sources: Sources) -> Job:
    """What all trainings of a study have in common."""
    config = load_config(study.config, {"runtime.threads": sources.threads, **study.overrides, **overrides})
    return Job(config, (), device=torch.device(sources.device), resume=True)


def _train(job: Job, sources: Sources) -> Path:
    """The run directory that comes of it."""
    torch.set_num_threads(sources.threads)
    check(job)
    return train(replace(job, caches=sources.data.caches(), objects=sources.data.cut_outs()))[-1]


def _validation(sources: Sources) -> list[LmdbCache]:
    return make_caches(sources.work_dir / "held-out", {"got10k": sources.validation}, "val")


def _facts(cell: Cell, run: Path) -> dict[str, Any]:
    summary = json.loads((run / "summary.json").read_text())
    plan = load_plan(run / "plan.json")
    trace = run / "search" / "trace.json"
    search = json.loads(trace.read_text()) if trace.is_file() else {}
    return {
        "name": cell.name, "variant": cell.variant.name, "method": cell.variant.method, "base": cell.variant.base,
        "budget": cell.budget, "seed": cell.seed, "ratio": summary["flops_ratio"], "full": list(plan.full),
        "binary": len(plan.binary), "params_1bit": summary["params_1bit"], "params_32bit": summary["params_32bit"],
        "iterations": summary["iterations"], "seconds": summary["seconds"],
        "search": {key: search[key] for key in ("forward_passes", "backward_passes", "seconds") if key in search},
        "device": summary["device"], "threads": summary["threads"], "torch": torch.__version__,
    }


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Everything printed meanwhile goes to the end of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        yield
