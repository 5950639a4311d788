"""Two processes find the plan of one, share the work, and fail together."""

import dataclasses
import json
from collections import Counter

import pytest
import torch
from torch import distributed, multiprocessing

from b2nn.errors import B2nnError
from b2nn.search import STRATEGIES, strategy
from tests.b2nn.search.conftest import planted, quick_options


def problem_of_all():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return planted((1, 0.02, 1, 0.02), batches=6, size=6)


def results(problem, folder=None):
    found = {}
    for name in STRATEGIES:
        plan, trace = strategy(name)(problem, 0.6, 2, quick_options(name), folder and folder / name)
        found[name] = [list(plan.full), trace["forward_passes"], trace["backward_passes"]]
    return found


def run_rank(rank, count, folder):
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=count)
    problem = problem_of_all()
    calls = Counter()

    def loss(model, batch):
        calls["loss"] += 1
        return problem.loss(model, batch)

    found = results(dataclasses.replace(problem, loss=loss), folder)
    calls.clear()
    strategy("exhaustive")(dataclasses.replace(problem, loss=loss), 0.6, 3)
    error = None
    try:  # of one process only, while the other has nothing to complain about
        broken = dataclasses.replace(problem, held_out=() if rank else problem.held_out)
        strategy("sensitivity")(broken, 0.6)
    except B2nnError as raised:
        error = str(raised)
    (folder / f"{rank}.json").write_text(json.dumps({"found": found, "calls": calls["loss"], "error": error}))
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    multiprocessing.spawn(run_rank, (2, folder), nprocs=2)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def test_every_rank_has_the_plan_and_the_costs_of_a_single_process(ranks):
    alone = results(problem_of_all())
    assert ranks[0]["found"] == ranks[1]["found"] == alone


def test_the_work_is_shared(ranks):
    assert ranks[0]["calls"] == ranks[1]["calls"] > 0


def test_all_hear_of_an_error(ranks):
    assert "no held-out batches" in ranks[0]["error"] and ranks[0]["error"] == ranks[1]["error"]
