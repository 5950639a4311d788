"""The folder of one tracker under training: what belongs in it, and when it may be touched."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import barrier, get_world_size, is_main_process

from b2nn.cost import CostTable
from b2nn.plan import BinarizationPlan
from datasets.cache_lock import build_lock
from datasets.files import write_text
from tracker.checkpoint import Checkpoint, save_checkpoint
from tracker.errors import TrackerError
from tracker.models import Network
from tracker.training.job import Job
from tracker.training.ranks import say

# What a run depends on; the rest of the configuration may change between runs of one work dir, as may the threads,
# the compiling and the intervals of what is left of a run.
FP_SECTIONS = ("model", "data", "fp", "runtime.precision", "runtime.ema", "run")
FINETUNE_SECTIONS = (*FP_SECTIONS, "finetune")
RANDOM_SECTIONS = (*FINETUNE_SECTIONS, "search.granularity")
ALL_SECTIONS = (*FINETUNE_SECTIONS, "search")


@dataclass(frozen=True)
class RunFolder:
    """`config.py`, `plan.json`, `checkpoint.pth`, `summary.json`, `log.txt` and a folder a phase."""

    path: Path
    sections: tuple[str, ...]  # of the configuration, on which the run depends; or fields, as ``section.field``

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other call trains this run, and let none begin before this one is through with it."""
        def waiting(_label: str, done: int, _total: int) -> None:
            if not done:
                print(f"{self.path}: another process trains it; waiting", flush=True)

        if not is_main_process():  # stands at the next thing that all processes do together
            yield
            return
        with build_lock(self.path, waiting):
            yield

    def claim(self, config: Config, resume: bool) -> bool:
        """Take the folder for `config`; whether the run in it has finished before.

        Raises:
            TrackerError: it holds an unfinished run and `resume` is not asked for, or a run of another configuration
                (naming the first field that differs).
        """
        file = self.path / "config.py"
        finished = (self.path / "summary.json").is_file()
        if not file.is_file():
            self.path.mkdir(parents=True, exist_ok=True)
            temporary = file.with_suffix(".tmp.py")
            config.dump(str(temporary))
            os.replace(temporary, file)
            return False
        if not finished and not resume:
            raise TrackerError(f"{self.path}: holds an unfinished run; go on with --resume or choose another "
                               "--work-dir")
        stored, wanted = Config.fromfile(file), Config.fromstring(config.pretty_text, ".py")
        difference = first_difference(*({name: field_of(one, name) for name in self.sections}
                                        for one in (stored, wanted)))
        if difference:
            raise TrackerError(f"{file}: the run was made with another {difference}; choose another --work-dir")
        return finished

    def finish(self, network: Network, checkpoint: Checkpoint, plan: BinarizationPlan,
               summary: dict[str, Any]) -> None:
        """Write plan, checkpoint and, last, the summary that marks the run as whole."""
        if is_main_process():
            plan.save(self.path / "plan.json")
            save_checkpoint(self.path / "checkpoint.pth", network, checkpoint)
            write_json(self.path / "summary.json", summary)
        phases = ", ".join(f"{phase} {seconds:.0f} s" for phase, seconds in summary["seconds"].items())
        say(f"{self.path}: {phases}; peak memory so far {summary['peak_memory_mb']:.0f} MB")
        barrier()


def run_config(job: Job, method: str, budget: float | None) -> Config:
    """The configuration as it is stored with a run: with what the command line added."""
    config = copy.deepcopy(job.config)
    config.run = dict(
        method=method,
        budget=budget,
        seed=job.seed,
        data=[f"{cache.folder.name}: {cache.source}" for cache in (*job.caches, job.objects) if cache is not None],
        processes=get_world_size(),
        plan=str(job.plan) if job.plan and method == "mixbin" else None,
        pretrained=str(job.pretrained) if job.pretrained else None,
        teacher=f"{job.teacher[0]}: {job.teacher[1]}" if job.teacher else None,
    )
    if job.metric != "flops" and budget is not None:
        config.run.metric = job.metric
        if job.latency_precision != "float32":
            config.run.latency_precision = job.latency_precision
    if job.full_precision:
        config.run.full_precision = origin(job.full_precision)
    if job.searches_width(method):
        config.run.widths = list(job.widths)
    return config


def origin(path: Path) -> dict[str, str]:
    """The checkpoint in a run directory, or `path` itself: its path and SHA-256."""
    file = path / "checkpoint.pth" if path.is_dir() else path
    return {"path": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


def provenance(job: Job, seconds: dict[str, float], iterations: dict[str, int]) -> dict[str, Any]:
    """What else the summary tells: where the numbers come from.

    Args:
        seconds: that each phase took.
        iterations: that each phase of training ran, which may be fewer than the configuration's.
    """
    return {
        "seed": job.seed,
        "iterations": iterations,
        "seconds": {phase: round(value, 1) for phase, value in seconds.items()},
        "device": str(job.device),
        "threads": torch.get_num_threads(),
        "processes": get_world_size(),
        "torch": torch.__version__,
        "host": platform.node(),
        **({"full_precision": origin(job.full_precision)} if job.full_precision else {}),
    }


def summarize(name: str, method: str, budget: float | None, table: CostTable, plan: BinarizationPlan,
              full_table: CostTable, **more: Any) -> dict[str, Any]:
    """The content of `summary.json`.

    Args:
        table: costs of the trained network (a pruned one has its own).
        full_table: costs of the full-precision network that all is relative to.
    """
    counted = table.counted(plan.full)
    return {
        "tracker": name,
        "method": method,
        "budget": budget,
        "flops_ratio": counted / full_table.total,
        "counted_flops": counted,
        "fp_flops": full_table.total,
        "floor": full_table.floor,
        "params_1bit": table.params_1bit(plan.full),
        "params_32bit": table.params_32bit(plan.full),
        "peak_memory_mb": peak_memory_mb(),
        **more,
    }


def peak_memory_mb() -> float:
    """Largest resident set so far of this process and of its largest child, added, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return round(sum(resource.getrusage(kind).ru_maxrss for kind in kinds) * unit / 1e6, 1)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def plain(section: Any) -> Any:
    """Only dicts, lists and scalars, as a checkpoint that loads with `weights_only=True` must hold."""
    return json.loads(json.dumps(section))


def field_of(config: Config, name: str) -> Any:
    """A section, or a field by its dotted name; None where it has its default."""
    section, _, field = name.partition(".")
    return config[section].get(field) if field else config[section]


def first_difference(stored: Any, wanted: Any, where: str = "") -> str:
    """Dotted name of the first field in which two configurations differ, '' where they do not."""
    if isinstance(stored, dict) and isinstance(wanted, dict):
        for key in sorted({*stored, *wanted}):
            if key not in stored or key not in wanted:
                return f"{where}{key}"
            difference = first_difference(stored[key], wanted[key], f"{where}{key}.")
            if difference:
                return difference
        return ""
    return "" if stored == wanted else f"{where.rstrip('.')} ({stored!r}, not {wanted!r})"
