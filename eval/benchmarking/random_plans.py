"""Networks of a preset that nobody has trained: speed does not ask what the weights are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.config import Config

from b2nn.convert import reestimate_batchnorm
from b2nn.plan import BinarizationPlan, all_binary, all_full
from b2nn.search import random
from b2nn.search.problem import Problem
from eval.benchmarking.contestants import Trained
from eval.benchmarking.footage import Footage
from tracker.checkpoint import Checkpoint, shaped_network
from tracker.models import build_network, cost_table
from tracker.online import SiameseTracker
from tracker.training.job import recipe


def untrained(config: Config, budgets: Sequence[float], footage: Footage, seed: int = 0) -> list[Trained]:
    """The preset's network in full precision, with random maximal plans at these budgets, and fully binary.

    Args:
        footage: its crops give BatchNorm its statistics, lest maps grow without bound.

    Raises:
        TrackerError, B2nnError: a wrong configuration, or a budget that no plan can have.
    """
    model = config.model.to_dict()
    table = cost_table(build_network(model))
    problem = Problem(build_network(model), table, loss=_none)
    plans = [("fp", all_full(table)),
             *((f"random-{budget:g}", random.search(problem, budget, seed)[0]) for budget in budgets),
             ("bnn", all_binary(table))]
    return [_untrained(name, config, plan, footage, seed) for name, plan in plans]


def _untrained(name: str, config: Config, plan: BinarizationPlan, footage: Footage, seed: int) -> Trained:
    torch.manual_seed(seed)
    stored = Checkpoint(config.model.to_dict(), config.tracking.to_dict(), plan, recipe=recipe(config))
    network = shaped_network(stored)
    template = footage.template(network.config.template_size)
    searches = footage.searches(SiameseTracker(network, stored.tracking))
    reestimate_batchnorm(network, searches[:2],
                         lambda search: network.respond(network.embed(template), network.features(search)))
    network.eval().requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # which no stub of torch knows
    return Trained(name, network, stored)


def _none(model: object, batch: object) -> torch.Tensor:
    raise AssertionError("random plans look at no data")
