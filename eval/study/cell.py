"""One training of a study and its measurement, each in the process that it is called in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
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
from tracker.training.command import train_from_options
from tracker.validation import pair_options


@dataclass(frozen=True)
class Sources:
    """Where a study trains and measures.

    Attributes:
        study: its name, of its folder in the work dir. Studies of one work dir share the full-precision trackers.
        got10k: root with ``train`` and ``val``; the latter gives the held-out pairs and the benchmark to choose by.
        training: further keyword arguments of `train_from_options` that name data: lasot, images, synthetic, objects,
            masks, lmdb.
        teacher: keyword arguments of it that name the teacher of the full-precision trackers; may be empty.
        benchmarks: to measure on.
        work_dir: of all studies.
        device: torch device.
        threads: torch threads a process.
    """

    study: str
    got10k: Path
    training: dict[str, Any]
    teacher: dict[str, Any]
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


def train_base(study: Study, name: str, sources: Sources) -> None:
    """Train one of the study's full-precision trackers, or go on with it.

    Raises:
        ValueErrors of the packages.
    """
    folder = sources.base(name)
    with _logged(folder.parent / "fp.txt"):
        train_from_options(**_training(study, sources, study.bases[name]) | sources.teacher, method="fp",
                           work_dir=folder.parent)


def run_cell(study: Study, cell: Cell, sources: Sources) -> None:
    """Train and measure one cell, or go on with it; its row comes last.

    Raises:
        ValueErrors of the packages.
    """
    base = sources.base(cell.variant.base)
    with _logged(sources.folder / "logs" / f"{cell.name}.txt"):
        run = base if cell.variant.method == "fp" else _train(study, cell, sources, base)
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


def _train(study: Study, cell: Cell, sources: Sources, base: Path) -> Path:
    variant = cell.variant
    plan = None
    if variant.plan_of is not None:
        giver = next(other for other in study.variants if other.name == variant.plan_of)
        plan = sources.runs(giver, cell.seed) / f"{giver.method}-{cell.budget:g}" / "plan.json"
    return train_from_options(
        **_training(study, sources, study.bases[variant.base] | variant.overrides) | {
            "budget": None if cell.budget is None else [cell.budget], "plan": plan, "seed": cell.seed,
            "full_precision": base},
        method=variant.method, work_dir=sources.runs(variant, cell.seed))[-1]


def _training(study: Study, sources: Sources, overrides: dict[str, Any]) -> dict[str, Any]:
    """Arguments that all trainings of a study have in common, and those that most do not use."""
    unused = ("budget", "plan", "full_precision", "width", "pretrained", "teacher", "teacher_weights")
    fields = {"runtime.threads": sources.threads, **study.overrides, **overrides}
    return {
        **dict.fromkeys(unused), "config": study.config, "got10k": sources.got10k, **sources.training,
        "baselines": False, "seed": 0, "resume": True, "device": sources.device,
        "cfg_options": [f"{name}={value!r}" for name, value in fields.items()],
    }


def _validation(sources: Sources) -> list[LmdbCache]:
    return make_caches(sources.work_dir / "held-out", {"got10k": sources.got10k}, "val")


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
