"""What a training call refuses before anything is read or written."""

from __future__ import annotations

import os
import shutil
from collections import Counter

from mmengine.config import Config

from b2nn import pruning
from b2nn.cost import CostTable
from b2nn.errors import PlanError
from b2nn.plan import check_budget, load_plan, validate
from b2nn.search import exhaustive
from tracker.budget_metrics import budget_table
from tracker.errors import TrackerError
from tracker.models import build_network, cost_table, example_inputs
from tracker.pretrained import check_pretrained
from tracker.training.candidates import strategy_options
from tracker.training.full_precision import load_full_precision
from tracker.training.job import Job, distillation, granularity, sized
from tracker.training.teacher import check_pupil, load_teacher
from tracker.training.widths import sized_networks
from tracker.validation import validate as validate_config


def check(job: Job) -> None:
    """Refuse what cannot work.

    Raises:
        BudgetError, PlanError, TrackerError: naming the option or field.
    """
    validate_config(job.config)
    _check_options(job)
    if job.config.runtime.compile and job.device.type == "cpu" and not _compiler():
        raise TrackerError("runtime.compile is True, but there is no C++ compiler here; install g++, name one in "
                           "CXX or leave the option out")
    if job.pretrained:
        check_pretrained(job.config.model, job.pretrained)
    if job.full_precision:
        load_full_precision(job.full_precision, job.config.model)
    configs = _check_widths(job) if job.widths else [job.config]
    for config in configs:
        _check_teacher(job, config)
        if "exhaustive" in job.methods:
            table = cost_table(build_network(config.model)).split(granularity(config))
            exhaustive.check(table, strategy_options(config, "exhaustive"))
    table = budget_table(build_network(job.config.model), job.metric, job.latency_precision)
    for budget in job.budgets:
        if any(job.needs_budget(method) and not job.searches_width(method) for method in job.methods):
            check_budget(table, budget)
        if "pruned" in job.methods:  # channels cannot be removed as far as bits can; better said now than late
            network = build_network(job.config.model)
            pruning.prune(network, *example_inputs(network), budget=budget, keep=network.prune_keep)
    if job.plan:
        _check_plan(job, table)


def _compiler() -> str | None:
    """The compiler that torch.compile takes on a CPU."""
    names = [os.environ["CXX"]] if "CXX" in os.environ else ["g++", "clang++"]
    return next(filter(None, map(shutil.which, names)), None)


def _check_options(job: Job) -> None:
    """Options that exclude each other, or need another beside them."""
    method = job.methods[0]
    needy = [name for name in job.methods if job.needs_budget(name)]
    if needy and not job.budgets:
        raise TrackerError(f"{'--method ' + needy[0] if needy[0] == method else '--baselines'} needs --budget")
    names = Counter(job.run_name(*run) for run in job.runs())
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise TrackerError(f"--budget: two of {', '.join(f'{budget!r}' for budget in job.budgets)} would have the run "
                           f"directory {twice[0]}; choose budgets that differ in six digits")
    if job.full_precision:
        for option, given in (("--method fp", method == "fp"), ("--teacher", job.teacher),
                              ("--pretrained", job.pretrained), ("--width", job.widths)):
            if given:
                raise TrackerError(f"--full-precision {job.full_precision}: takes the place of training that tracker; "
                                   f"leave it or {option} out")
    if job.plan and "mixbin" not in job.methods:
        raise TrackerError(f"--plan {job.plan}: takes the place of the search of --method mixbin, not {method}")
    if job.plan and len(job.budgets) > 1:
        raise TrackerError(f"--plan {job.plan}: is one plan, for one --budget; {len(job.budgets)} are given")
    if job.widths:
        for option, given in ((f"--method {method}", method in ("fp", "pruned")), ("--plan", job.plan),
                              ("--pretrained", job.pretrained)):
            if given:
                raise TrackerError(f"--width: is searched along with a plan, for networks of several sizes; leave it "
                                   f"or {option} out")
    if job.latency_precision != "float32" and job.metric != "latency":
        raise TrackerError(f"--latency-precision {job.latency_precision}: of --budget-metric latency only, not of "
                           f"{job.metric}; leave it out")
    if job.metric != "flops":
        for option, given in (("--width", job.widths), ("--method pruned", method == "pruned"),
                              ("--baselines (random alone: --method random)", "pruned" in job.methods)):
            if given:
                raise TrackerError(f"--budget-metric {job.metric}: channels are removed, and widths compared, by FLOPs "
                                   f"only; leave {option} out")
    if "pruned" in job.methods and _asks_for_blocks(job.config.finetune):
        raise TrackerError(f"finetune.distillation.blocks is {job.config.finetune.distillation.blocks}; it must be 0 "
                           "with --method pruned, which removes channels of the stages")


def _check_widths(job: Job) -> list[Config]:
    """The configuration at each width that some budget admits."""
    if "width" not in (job.config.model.get("backbone") or {}):
        raise TrackerError(f"--width: the network of model.type {job.config.model.get('type', 'siamese')} has no "
                           "model.backbone.width; choose another --config")
    names = [f"{width:g}" for width in job.widths]
    if len(set(names)) < len(names):
        raise TrackerError(f"--width {' '.join(names)}: a width is named twice")
    for width in job.widths:
        try:
            validate_config(sized(job.config, width))
        except TrackerError as error:
            raise TrackerError(f"--width {width:g}: {error}") from error
    configs = {}
    for budget in job.budgets:
        if not 0 < budget <= 1:
            check_budget(cost_table(build_network(job.config.model)), budget)
        configs |= {one.width: one.config for one in sized_networks(job.config, job.widths, budget)
                    if one.budget is not None}
    return list(configs.values())


def _check_teacher(job: Job, config: Config) -> None:
    if not job.teacher:
        return
    network = build_network(config.model)
    check_pupil(network, job.teacher[0])
    backbone = load_teacher(*job.teacher).config.backbone
    if _asks_for_blocks(config.fp) and backbone != network.config.backbone:
        raise TrackerError(f"fp.distillation.blocks is {config.fp.distillation.blocks}; it must be 0, since the "
                           f"backbone of --teacher {job.teacher[0]} has other stages than model.backbone")


def _check_plan(job: Job, table: CostTable) -> None:
    given, budget = load_plan(job.plan), job.budgets[0]
    try:
        validate(given, table)
    except PlanError as error:
        raise PlanError(f"--plan {job.plan}: {error}") from error
    ratio = table.divided(given.names).ratio(given.full)
    if ratio > budget:
        raise TrackerError(f"--plan {job.plan}: its {table.metric} ratio {ratio:.4f} is over --budget {budget:g}")


def _asks_for_blocks(phase: Config) -> bool:
    options = distillation(phase)
    return options is not None and options.blocks > 0
