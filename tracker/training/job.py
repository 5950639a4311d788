"""What one call of the training is asked to do, and the names of the runs that come of it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config

from b2nn.recipe import Recipe
from b2nn.search import STRATEGIES
from datasets.lmdb_cache import LmdbCache
from tracker.losses import Distillation
from tracker.typed import typed
from tracker.validation import SearchSection

BASELINES = ("random", "pruned")
NEEDS_BUDGET = (*STRATEGIES, "pruned")
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Job:
    """Everything one call of `train` depends on.

    Attributes:
        config: preset or file with its overrides.
        methods: which trackers to train, `fp` first in any case.
        budgets: costs as shares of full precision, each for all methods; empty where no method needs one.
        work_dir: see `pipeline`.
        caches: opened LMDB caches, read lazily.
        seed: of weights, data order and searches.
        device: where to train.
        plan: a plan file that replaces the search of `mixbin`.
        pretrained: weights to begin with.
        teacher: name and weights of a published tracker that teaches the full-precision one, see `training.teacher`.
        resume: go on with unfinished runs.
        objects: cache of cut-out objects to paste into pairs; None for no pasting.
        full_precision: run directory or checkpoint of a full-precision tracker to start from; None trains one.
        widths: of the backbone, to search along with the plan; empty for the configuration's own.
        metric: what budgets are shares of, see `tracker.budget_metrics`.
        latency_precision: what layers in full precision will run in, where the metric is latency.
    """

    config: Config
    methods: tuple[str, ...]
    budgets: tuple[float, ...] = ()
    work_dir: Path = Path("work_dirs")
    caches: Sequence[LmdbCache] = ()
    seed: int = 0
    device: torch.device = CPU
    plan: Path | None = None
    pretrained: Path | None = None
    teacher: tuple[str, Path] | None = None
    resume: bool = False
    objects: LmdbCache | None = None
    full_precision: Path | None = None
    widths: tuple[float, ...] = ()
    metric: str = "flops"
    latency_precision: str = "float32"

    def searches_width(self, method: str) -> bool:
        """Whether the width is searched along with the plan of `method`; `pruned` has no plan."""
        return bool(self.widths) and method not in ("fp", "pruned")

    def runs(self) -> list[tuple[str, float | None]]:
        """Method and budget of every tracker but the full-precision one; all methods at the first budget come first."""
        wanted = [(method, budget if self.needs_budget(method) else None)
                  for budget in self.budgets or (None,) for method in self.methods if method != "fp"]
        return list(dict.fromkeys(wanted))

    def needs_budget(self, method: str) -> bool:
        """Whether `method` does; widths of `bnn` compete within one."""
        return method in NEEDS_BUDGET or self.searches_width(method)

    def run_name(self, method: str, budget: float | None) -> str:
        """Name of the run directory, such as ``mixbin-0.3``, ``mixbin-0.3-latency-int8`` or ``mixbin-0.3-width``."""
        name = method if budget is None else f"{method}-{budget:g}"
        if budget is not None and self.metric != "flops":
            name += f"-{self.metric}" + f"-{self.latency_precision}" * (self.latency_precision != "float32")
        return f"{name}-width" if self.searches_width(method) else name


def sized(config: Config, width: float) -> Config:
    """The configuration with a backbone of another width."""
    other = copy.deepcopy(config)
    other.model.backbone.width = width
    return other


def section(config: Config, phase: str) -> Config:
    """The section with a phase's schedule."""
    return config.fp.mimic if phase == "mimic" else config[phase]


def distillation(phase: Config) -> Distillation | None:
    """The weights of distillation in a phase's section, None where it asks for none."""
    options = phase.get("distillation")
    return None if options is None else typed(Distillation, options, "distillation")


def granularity(config: Config) -> int:
    """Parts of each layer that a search decides about one by one."""
    return config.search.get("granularity", SearchSection.granularity)


def recipe(config: Config) -> Recipe:
    """How binary units compute and train, in the finetune phase and in the search before it."""
    return typed(Recipe, config.finetune.get("recipe", {}), "finetune.recipe")
