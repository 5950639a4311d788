"""What `tools/train_tracker.py` does once its arguments are read."""

from __future__ import annotations

import ast
import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from torch import distributed

from tracker.config import load_config
from tracker.device import require_device
from tracker.errors import TrackerError
from tracker.training.data import LMDB, TrainingData
from tracker.training.job import BASELINES, Job
from tracker.training.pipeline import check, train


def train_from_options(budget: list[float] | None, budget_metric: str, latency_precision: str, method: str,
                       baselines: bool, config: str, got10k: Path | None, lasot: Path | None, images: Path | None,
                       synthetic: bool, objects: Path | None, masks: Path | None, lmdb: Path | None,
                       work_dir: Path | None, plan: Path | None, full_precision: Path | None,
                       width: list[float] | None, pretrained: Path | None, teacher: str | None,
                       teacher_weights: Path | None, resume: bool, seed: int, device: str | None,
                       cfg_options: list[str]) -> list[Path]:
    """Check the options, open or build the caches, train; returns the run directories.

    Raises:
        ValueErrors of the packages, naming the option or file.
    """
    if not 0 <= seed < 2**32:
        raise TrackerError(f"--seed {seed}: choose a whole number from 0 to {2**32 - 1}")
    settings = load_config(config, _overrides(cfg_options))
    methods = tuple(dict.fromkeys((method, *(BASELINES if baselines else ()))))
    if (teacher is None) != (teacher_weights is None):
        given, other = ("--teacher", "--teacher-weights") if teacher else ("--teacher-weights", "--teacher")
        raise TrackerError(f"{given}: needs {other} beside it")
    data = TrainingData(got10k, lasot, images, synthetic, objects, masks, lmdb or LMDB)
    lessons = (teacher, teacher_weights) if teacher else None
    job = Job(settings, methods, tuple(dict.fromkeys(budget or ())), work_dir or Path("work_dirs") / Path(config).stem,
              seed=seed, plan=plan, pretrained=pretrained, teacher=lessons, resume=resume,
              full_precision=full_precision, widths=tuple(width or ()), metric=budget_metric,
              latency_precision=latency_precision)
    check(job)
    if device:
        require_device(device)
    target = _device(device)
    if settings.runtime.threads:
        torch.set_num_threads(settings.runtime.threads)
    if "RANK" in os.environ:  # set by torchrun; mmengine's own start asks for CUDA even on a CPU build
        # The first process may build caches for hours while the others wait.
        distributed.init_process_group("nccl" if target.type == "cuda" else "gloo", timeout=timedelta(hours=24))
    started = time.perf_counter()
    folders = train(replace(job, caches=data.caches(), objects=data.cut_outs(), device=target))
    if is_main_process():
        print(f"done in {time.perf_counter() - started:.0f} s: {', '.join(str(path) for path in folders)}")
    if distributed.is_initialized():
        distributed.destroy_process_group()
    return folders


def _device(name: str | None) -> torch.device:
    """The device asked for, the GPU of this rank, or what there is."""
    device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type != "cuda":
        return device
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", device.index or 0)))
    torch.cuda.set_device(device)
    return device


def _overrides(pairs: list[str]) -> dict[str, Any]:
    result = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise TrackerError(f"--cfg-options {pair}: write KEY=VALUE")
        try:
            result[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            result[key] = value  # a plain word
    return result
