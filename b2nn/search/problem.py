"""What a strategy searches over, and how it judges one candidate mix."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from b2nn.checks import require
from b2nn.convert import binarize, clip_latent_, reestimate_batchnorm, set_progress
from b2nn.cost import CostTable
from b2nn.errors import B2nnError
from b2nn.plan import make_plan
from b2nn.recipe import DEFAULT, Recipe
from b2nn.search.ledger import Work


@dataclass(frozen=True)
class Problem:
    """A network, what it is for, and the data to judge by. No strategy changes any of it.

    With several processes (`torch.distributed`) all must hold the same problem.

    Attributes:
        model: trained in full precision.
        table: its cost.
        loss: called with a model and a batch; the task's loss, a scalar.
        batches: training batches, in the same order whenever they are gone through.
        held_out: batches that candidates are judged on.
        batchnorm_batches: how many of `batches` give a candidate its BatchNorm statistics before it is judged.
        recipe: how binary units compute.
    """

    model: nn.Module
    table: CostTable
    loss: Callable[[nn.Module, Any], Tensor]
    batches: Iterable[Any] = ()
    held_out: Sequence[Any] = ()
    batchnorm_batches: int = 8
    recipe: Recipe = DEFAULT

    def __post_init__(self) -> None:
        for name in ("batches", "held_out"):
            if isinstance(getattr(self, name), Iterator):
                raise B2nnError(f"{name} can be gone through only once; give a list or a DataLoader")
        require(self, "at least 1", batchnorm_batches=self.batchnorm_batches >= 1)


def evaluate(problem: Problem, full: Collection[str], steps: int = 0, lr: float = 1e-3, seed: int = 0) -> Work:
    """The mean held-out loss of the mix that keeps `full` in full precision, from the problem's weights.

    The mix is trained for `steps` batches (Adam; none by default), then its BatchNorm statistics are estimated
    anew, because binary units have others.

    Raises:
        B2nnError: there are no batches to judge by, or the loss is not finite.
    """
    if not problem.held_out:
        raise B2nnError("no held-out batches to judge candidates by; give at least one")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = copy.deepcopy(problem.model)
        binarize(model, make_plan(problem.table, full, None, "candidate", seed), problem.table, problem.recipe)
        if steps:
            _train(model, problem, steps, lr)
        settled = _settle_batchnorm(model, problem)
        model.eval()
        with torch.no_grad():
            losses = [float(problem.loss(model, batch)) for batch in problem.held_out]
    mean = math.fsum(losses) / len(losses)
    if not math.isfinite(mean):
        raise B2nnError(f"the mix with {len(full)} layers in full precision has a held-out loss of {mean}; "
                        + ("lower lr or " if steps else "") + "check the batches and the model")
    return Work(mean, steps + settled + len(losses), steps)


def repeated(batches: Iterable[Any]) -> Iterator[Any]:
    """The batches again and again; `B2nnError` if there are none."""
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise B2nnError("no batches to search with; give at least one")


def _train(model: nn.Module, problem: Problem, steps: int, lr: float) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    model.train()
    for step, batch in enumerate(islice(repeated(problem.batches), steps)):
        set_progress(model, step / steps)
        optimizer.zero_grad()
        problem.loss(model, batch).backward()
        optimizer.step()
        clip_latent_(model)
    set_progress(model, 1.0)


def _settle_batchnorm(model: nn.Module, problem: Problem) -> int:
    """Estimate BatchNorm statistics anew; returns the forward passes that took."""
    if not any(isinstance(module, _BatchNorm) and module.track_running_stats for module in model.modules()):
        return 0
    passes = 0

    def forward(batch: Any) -> None:
        nonlocal passes
        passes += 1
        problem.loss(model, batch)

    reestimate_batchnorm(model, islice(problem.batches, problem.batchnorm_batches), forward)
    return passes
