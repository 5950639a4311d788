"""One training of a study and its measurement, each in the process that it is called in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from datasets.files import write_text
from eval.study.facts import training_facts
from eval.study.held_out import held_out_losses, held_out_pairs
from eval.study.measure import measure
from eval.study.plan import Cell, Study
from eval.study.sources import Sources
from tracker.config import load_config
from tracker.training.pipeline import Job, check, train


def base_job(study: Study, name: str, sources: Sources) -> Job:
    """The training of one of the study's full-precision trackers; its data is not opened yet."""
    return Job(_config(study, study.bases[name]), ("fp",), work_dir=sources.base(name).parent,
               device=torch.device(sources.device), teacher=sources.teacher, resume=True)


def cell_job(study: Study, cell: Cell, sources: Sources) -> Job:
    """The training of one cell, from its full-precision tracker; its data is not opened yet."""
    variant, plan = cell.variant, None
    if variant.plan_of is not None:
        giver = study.variant(variant.plan_of)
        plan = sources.runs(giver, cell.seed) / f"{giver.method}-{cell.budget:g}" / "plan.json"
    job = Job(cell_config(study, cell), (variant.method,), () if cell.budget is None else (cell.budget,),
              sources.runs(variant, cell.seed), seed=cell.seed, device=torch.device(sources.device), plan=plan,
              resume=True, widths=variant.widths)
    if variant.widths:
        return replace(job, teacher=sources.teacher)
    return replace(job, full_precision=sources.base(variant.base))


def cell_config(study: Study, cell: Cell) -> Config:
    """What a cell is trained by: its variant's overrides win over its base's, and these over the study's."""
    return _config(study, study.bases[cell.variant.base] | cell.variant.overrides)


def train_base(study: Study, name: str, sources: Sources) -> None:
    """Train one of the study's full-precision trackers, or go on with it; a finished one is taken as it is.

    Raises:
        ValueErrors of the packages; TrackerError: what is there was made by other settings or of other data.
    """
    with _logged(sources.base(name).with_name("fp.txt")):
        _train(base_job(study, name, sources), sources)


def run_cell(study: Study, cell: Cell, sources: Sources) -> None:
    """Train and measure one cell, or go on with it; its row comes last.

    Raises:
        ValueErrors of the packages.
    """
    variant, base = cell.variant, sources.base(cell.variant.base)
    with _logged(sources.folder / "logs" / f"{cell.name}.txt"):
        run = base if variant.method == "fp" else _train(cell_job(study, cell, sources), sources)
        begun_from = sorted(run.parent.glob("fp*/")) if variant.widths else [base]
        pairs = held_out_pairs(sources.held_out(), _config(study, {}), study.held_out_batches)
        row = {
            "name": cell.name, "variant": variant.name, "method": variant.method, "base": variant.base,
            "budget": cell.budget, "seed": cell.seed, **training_facts(run, begun_from),
            "held_out": held_out_losses(run / "checkpoint.pth", None if variant.widths else base / "checkpoint.pth",
                                        pairs, sources.device),
            "benchmarks": measure(run / "checkpoint.pth", sources.benchmarks, sources.folder / "results" / cell.name,
                                  sources.device, sources.threads),
            "made_by": made_by(study, cell, sources),
        }
    write_text(sources.row(cell), json.dumps(row) + "\n")


def made_by(study: Study, cell: Cell, sources: Sources) -> str:
    """Fingerprint of all that a cell's numbers depend on, names and folders apart; a row of another is not its own."""
    variant = cell.variant
    giver = None if variant.plan_of is None else made_by(
        study, replace(cell, variant=study.variant(variant.plan_of)), sources)
    facts = [
        [config.to_dict() for config in (_config(study, {}), _config(study, study.bases[variant.base]),
                                         cell_config(study, cell))],
        variant.method, cell.budget, cell.seed, variant.widths, giver, study.held_out_batches, sources.identity]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def _config(study: Study, overrides: dict[str, Any]) -> Config:
    return load_config(study.config, {**study.overrides, **overrides})


def _train(job: Job, sources: Sources) -> Path:
    """The run directory that comes of it."""
    torch.set_num_threads(sources.threads)
    check(job)
    return train(replace(job, caches=sources.data.caches(), objects=sources.data.cut_outs()))[-1]


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Everything printed meanwhile goes to the end of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        yield
