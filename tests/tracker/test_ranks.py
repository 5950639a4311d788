"""Two processes search a plan together and find that of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing

from datasets.lmdb_cache import LmdbCache
from tests.tracker.conftest import QUICK, config
from tracker.models import cost_table
from tracker.training.full_precision import load_full_precision
from tracker.training.pipeline import Job
from tracker.training.plan_search import find_plan

METHODS = ("sensitivity", "evolution")  # one that deals out units, one that deals out candidates


def search(folder: Path, full: Path, caches: list[LmdbCache]) -> None:
    torch.set_num_threads(1)
    job = Job(config(**QUICK), METHODS, (0.5,), folder, caches)
    teacher = load_full_precision(full / "fp", job.config.model)
    for method in METHODS:
        find_plan(job, method, 0.5, folder / method, method, cost_table(teacher), teacher)


def run_rank(rank: int, count: int, meeting: Path, folder: Path, full: Path, caches: list[Path]) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=count)
    search(folder, full, [LmdbCache(path) for path in caches])
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def searched(full, caches, tmp_path_factory) -> list[Path]:
    """Folders of the searches of two processes and of one."""
    root = tmp_path_factory.mktemp("ranks")
    together, alone = root / "together", root / "alone"
    multiprocessing.spawn(run_rank, (2, root / "meeting", together, full, [cache.folder for cache in caches]), nprocs=2)
    search(alone, full, caches)
    return [together, alone]


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_find_the_plan_of_one_at_its_cost(searched, method):
    plans, traces = ([json.loads((folder / method / file).read_text()) for folder in searched]
                     for file in ("plan.json", "trace.json"))
    assert plans[0] == plans[1]
    for trace in traces:
        del trace["seconds"]
    assert traces[0] == traces[1] and traces[0]["forward_passes"] > 0
