"""From options to trained trackers: the full-precision tracker, then each method at each budget.

    <work dir>/fp/                       shared by all methods: mimic/ (with a teacher), fp/
    <work dir>/<method>-<budget>/        one tracker a folder: search/ (where a plan is searched for), finetune/
    <work dir>/fp-w<width>/              with widths: the full-precision tracker of each that is not the configuration's
    <work dir>/<method>-<budget>-width/  with widths: the best one; search/width.json tells of all
    <work dir>/searches/                 what searches at several budgets share

All methods start from the same full-precision weights and see the same data, schedule and distillation; only the
plan (or, for `pruned`, the shape) differs, and the width where it is searched.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from b2nn import pruning
from b2nn.convert import binarize
from b2nn.plan import all_full
from b2nn.search import STRATEGIES
from tracker.budget_metrics import budget_table
from tracker.checkpoint import Checkpoint
from tracker.models import Network, build_network, cost_table, example_inputs
from tracker.training.checks import check
from tracker.training.fitting import fit, unfrozen
from tracker.training.full_precision import fp_name, full_precision
from tracker.training.job import Job, distillation, recipe
from tracker.training.module import PairTrainer
from tracker.training.plan_search import find_plan
from tracker.training.ranks import from_first, say
from tracker.training.runs import (
    ALL_SECTIONS,
    FINETUNE_SECTIONS,
    RANDOM_SECTIONS,
    RunFolder,
    plain,
    provenance,
    run_config,
    summarize,
)
from tracker.training.width_search import choose_width, trained_widths

__all__ = ["Job", "check", "train"]

SEARCHED = tuple(name for name in STRATEGIES if name != "random")  # whose plan the section `search` has a say in


def train(job: Job) -> list[Path]:
    """Train what is missing; returns the run directories, full-precision ones first."""
    teachers = {width: full_precision(job, width) for width in trained_widths(job)}
    folders = [] if job.full_precision else [job.work_dir / fp_name(width) for width in teachers]
    return folders + [_budgeted(job, method, budget, teachers) for method, budget in job.runs()]


def _budgeted(job: Job, method: str, budget: float | None, teachers: Mapping[float | None, Network]) -> Path:
    searched = method in SEARCHED or job.searches_width(method)
    run = RunFolder(job.work_dir / job.run_name(method, budget), ALL_SECTIONS if searched else
                    RANDOM_SECTIONS if method == "random" else FINETUNE_SECTIONS)
    with run.alone():
        config = run_config(job, method, budget)
        if from_first(lambda: run.claim(config, job.resume)):
            say(f"{run.path}: finished before, used as it is")
        else:
            _train(job, method, budget, run, teachers)
    return run.path


def _train(job: Job, method: str, budget: float | None, run: RunFolder,
           teachers: Mapping[float | None, Network]) -> None:
    name = run.path.name
    reference = cost_table(build_network(job.config.model))
    seconds: dict[str, float] = {}
    iterations: dict[str, int] = {}
    facts: dict[str, Any] = {}
    label, pruned = method, None
    if method == "pruned":
        teacher = teachers[None]
        network = unfrozen(teacher)
        pruned = pruning.prune(network, *example_inputs(network), budget=budget, keep=network.prune_keep)
        table = cost_table(network)
        plan = all_full(table)
    else:
        if job.searches_width(method):
            choice = choose_width(job, method, budget, run.path / "search", teachers)
            job, teacher, table, plan = choice.job, choice.teacher, choice.table, choice.plan
            seconds, iterations, facts = choice.seconds, choice.iterations, choice.facts
            label = f"{method}-width"
        else:
            teacher, table = teachers[None], reference
            metric = "flops" if budget is None else job.metric
            costs = budget_table(build_network(job.config.model), metric, job.latency_precision)
            found = find_plan(job, method, budget, run.path / "search", f"{name} search", costs, teacher)
            plan = found.plan
            if metric != "flops":
                facts = {"metric": plan.metric, "metric_ratio": plan.ratio}
            seconds = {} if found.seconds is None else {"search": found.seconds}
            iterations = {} if found.iterations is None else {"search": found.iterations}
        table = table.divided(plan.names)
        network = binarize(unfrozen(teacher), plan, table, recipe(job.config))
    say(f"{name}: counted FLOPs ratio {table.counted(plan.full) / reference.total:.4f}"
        + (f", {plan.metric} ratio {plan.ratio:.4f}" if plan.metric != "flops" else "")
        + (f" of a budget of {budget:g}" if budget is not None else "")
        + f"; {len(plan.binary)} of {len(table.eligible)} eligible units binary")
    trainer = PairTrainer(network, job.config.runtime.precision, teacher, distillation(job.config.finetune),
                          recipe=recipe(job.config))
    seconds["finetune"] = fit(job, "finetune", run.path / "finetune", f"{name} finetune", trainer)
    iterations["finetune"] = job.config.finetune.iterations
    checkpoint = Checkpoint(plain(job.config.model), plain(job.config.tracking),
                            plan if pruned is None else None, pruned, recipe(job.config))
    run.finish(network, checkpoint, plan, summarize(
        name, label, budget, table, plan, reference, **provenance(job, seconds, iterations), **facts))
