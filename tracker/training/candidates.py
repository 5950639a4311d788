"""The search problem that a tracker poses to `b2nn.search`: its loss, and a few batches of its pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from b2nn.cost import CostTable
from b2nn.recipe import Recipe
from b2nn.search import options_of
from b2nn.search.problem import Problem
from tracker.losses import Distillation
from tracker.models import Network
from tracker.training.module import PairTrainer
from tracker.typed import typed
from tracker.validation import CandidateOptions

BLIND = ("random", "uniform")  # which look at no data


def candidate_options(config: Config) -> CandidateOptions:
    """How many batches candidates are trained and judged on."""
    return typed(CandidateOptions, config.search.get("candidates", {}), "search.candidates")


def strategy_options(config: Config, name: str) -> Any:
    """The options of a strategy, from the field of the section `search` that has its name."""
    return typed(options_of(name), config.search.get(name, {}), f"search.{name}")


def candidate_problem(network: Network, table: CostTable, batches: Iterable[dict[str, Tensor]], config: Config,
                      teacher: Network, distillation: Distillation | None, recipe: Recipe,
                      device: torch.device) -> Problem:
    """The problem for a strategy.

    Args:
        network: in full precision, on `device`.
        batches: of pairs as `PairTrainer.forward` takes them: those to train on, then the held-out ones.
        teacher, distillation: what candidates may learn from, as in the other phases.
        recipe: how binary units compute.
    """
    options = candidate_options(config)
    loaded: Sequence[dict[str, Tensor]] = list(batches)

    def loss(candidate: Network, batch: dict[str, Tensor]) -> Tensor:
        trainer = PairTrainer(candidate, config.runtime.precision, teacher, distillation)
        losses = trainer(**{name: value.to(device) for name, value in batch.items()})
        return torch.stack(list(losses.values())).sum()

    return Problem(network, table, loss, loaded[:options.train_batches], loaded[options.train_batches:],
                   options.batchnorm_batches, recipe)
