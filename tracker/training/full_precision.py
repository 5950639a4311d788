"""The full-precision tracker that all methods start from: trained, or taken from elsewhere."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from b2nn.cost import CostTable
from b2nn.plan import all_full
from tracker.checkpoint import Checkpoint, load_checkpoint
from tracker.errors import TrackerError
from tracker.models import Network, build_network, cost_table
from tracker.pretrained import load_pretrained
from tracker.training.fitting import fit
from tracker.training.job import Job, distillation, section, sized
from tracker.training.module import PairTrainer
from tracker.training.ranks import from_first, say
from tracker.training.runs import FP_SECTIONS, RunFolder, first_difference, plain, provenance, run_config, summarize
from tracker.training.teacher import MimicTrainer, adopt_head, load_teacher


def full_precision(job: Job, width: float | None = None) -> Network:
    """The frozen full-precision tracker, trained where it is missing.

    Args:
        width: of the backbone, other than the configuration's; its costs are told relative to the configuration's.
    """
    if job.full_precision:
        return load_full_precision(job.full_precision, job.config.model, str(job.device))
    name = fp_name(width)
    table = cost_table(build_network(job.config.model))
    if width is not None:
        job = replace(job, config=sized(job.config, width))
    run = RunFolder(job.work_dir / name, FP_SECTIONS)
    with run.alone():
        config = run_config(job, "fp", None)
        if width is not None:
            config.run.full_precision_flops = table.total
        if from_first(lambda: run.claim(config, job.resume)):
            say(f"{run.path}: finished before, used as it is")
        else:
            _train(job, run, table)
    return load_checkpoint(run.path / "checkpoint.pth", str(job.device))[0]


def fp_name(width: float | None) -> str:
    """Name of the run directory."""
    return "fp" if width is None else f"fp-w{width:g}"


def load_full_precision(path: Path, model: dict[str, Any], device: str = "cpu") -> Network:
    """A finished full-precision tracker, frozen.

    Args:
        path: run directory or checkpoint.
        model: what its network must be.

    Raises:
        TrackerError: an unfinished run, another network, or one that is not in full precision.
        CheckpointError: the file is missing or unreadable.
    """
    if path.is_dir() and not (path / "summary.json").is_file():
        raise TrackerError(f"--full-precision {path}: holds no finished run; name one, or a checkpoint.pth")
    network, stored = load_checkpoint(path / "checkpoint.pth" if path.is_dir() else path, device)
    if stored.pruned or (stored.plan and stored.plan.binary):
        kind = "pruned" if stored.pruned else "partly binary"
        raise TrackerError(f"--full-precision {path}: holds a {kind} tracker; name one of --method fp")
    own, wanted = stored.model.get("type", "siamese"), model.get("type", "siamese")
    difference = f"type ({own!r}, not {wanted!r})" if own != wanted else first_difference(
        asdict(network.config), asdict(build_network(model).config))
    if difference:
        raise TrackerError(f"--full-precision {path}: was made with another model.{difference}; choose --config and "
                           "--cfg-options as there, or another tracker")
    return network


def _train(job: Job, run: RunFolder, reference: CostTable) -> None:
    torch.manual_seed(job.seed)
    network = build_network(job.config.model)
    if job.pretrained:
        load_pretrained(network, job.pretrained)
    table = cost_table(network)
    seconds: dict[str, float] = {}
    teacher = load_teacher(*job.teacher) if job.teacher else None
    precision = job.config.runtime.precision
    name = run.path.name
    if teacher:
        adopt_head(network, teacher)
        if job.config.fp.get("mimic"):
            label = "mimic" if name == "fp" else f"{name} mimic"
            seconds["mimic"] = fit(job, "mimic", run.path / "mimic", label, MimicTrainer(network, teacher, precision))
    trainer = PairTrainer(network, precision, teacher, distillation(job.config.fp))
    seconds["fp"] = fit(job, "fp", run.path / "fp", name, trainer)
    plan = all_full(table)
    iterations = {phase: section(job.config, phase).iterations for phase in seconds}
    checkpoint = Checkpoint(plain(job.config.model), plain(job.config.tracking))
    run.finish(network, checkpoint, plan, summarize(
        name, name, None, table, plan, reference, **provenance(job, seconds, iterations)))
