"""From options to trained trackers: the full-precision tracker, then each method at the budget.

    <work dir>/fp/                 shared by all methods: mimic/ (with a teacher), fp/
    <work dir>/<method>-<budget>/  one tracker a folder: search/ (where a plan is searched for), finetune/

All methods start from the same full-precision weights and see the same data, schedule and distillation; only the
plan (or, for `pruned`, the shape) differs.
"""

from __future__ import annotations

import copy
import json
import platform
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import barrier, get_world_size, is_main_process
from torch.utils.data import DataLoader

from b2nn import pruning
from b2nn.convert import binarize, reestimate_batchnorm
from b2nn.cost import CostTable
from b2nn.errors import PlanError
from b2nn.plan import BinarizationPlan, all_binary, all_full, check_budget, load_plan, validate
from b2nn.recipe import Recipe
from b2nn.search import STRATEGIES, exhaustive, mixbin, strategy
from datasets.lmdb_cache import LmdbCache
from datasets.pairs import PairDataset
from tracker.checkpoint import Checkpoint, load_checkpoint
from tracker.errors import TrackerError
from tracker.losses import Distillation
from tracker.models import Network, build_network, cost_table, example_inputs
from tracker.pretrained import check_pretrained, load_pretrained
from tracker.training.candidates import BLIND, JUDGES, candidate_options, candidate_problem, strategy_options
from tracker.training.gate_plot import plot_gates
from tracker.training.loop import pair_loader
from tracker.training.module import PairTrainer
from tracker.training.phase import PhaseSettings, run_phase
from tracker.training.ranks import first_rank
from tracker.training.runs import RunFolder, summarize, write_json
from tracker.training.teacher import MimicTrainer, adopt_head, check_pupil, load_teacher
from tracker.typed import typed
from tracker.validation import SearchSection, pair_options
from tracker.validation import validate as validate_config

PHASES = ("mimic", "fp", "search", "finetune")
BASELINES = ("random", "pruned")
NEEDS_BUDGET = (*STRATEGIES, "pruned")
BATCHNORM_BATCHES = 30
CPU = torch.device("cpu")
# What a run depends on; the rest of the configuration may change between runs of one work dir.
FP_SECTIONS = ("model", "data", "fp", "runtime", "run")
FINETUNE_SECTIONS = (*FP_SECTIONS, "finetune")
ALL_SECTIONS = (*FINETUNE_SECTIONS, "search")
RANDOM_SECTIONS = (*FINETUNE_SECTIONS, "search.granularity")
SEARCHED = tuple(name for name in STRATEGIES if name != "random")  # whose plan the section `search` has a say in


@dataclass(frozen=True)
class Job:
    """Everything one call of `train` depends on.

    Attributes:
        config: preset or file with its overrides.
        methods: which trackers to train, `fp` first in any case.
        budget: counted FLOPs as a share of full precision; None where no method needs one.
        work_dir: see the module's text.
        caches: opened LMDB caches, read lazily.
        seed: of weights, data order and searches.
        device: where to train.
        plan: a plan file that replaces the search of `mixbin`.
        pretrained: weights to begin with.
        teacher: name and weights of a published tracker that teaches the full-precision one, see `training.teacher`.
        resume: go on with unfinished runs.
        objects: cache of cut-out objects to paste into pairs; None for no pasting.
    """

    config: Config
    methods: tuple[str, ...]
    budget: float | None
    work_dir: Path
    caches: list
    seed: int = 0
    device: torch.device = CPU
    plan: Path | None = None
    pretrained: Path | None = None
    teacher: tuple[str, Path] | None = None
    resume: bool = False
    objects: LmdbCache | None = None


def check(config: Config, methods: tuple[str, ...], budget: float | None, plan: Path | None = None,
          pretrained: Path | None = None, teacher: tuple[str, Path] | None = None) -> None:
    """Refuse what cannot work before anything is read or written.

    Raises:
        BudgetError, PlanError, TrackerError: naming the option or field.
    """
    validate_config(config)
    if pretrained:
        check_pretrained(config.model, pretrained)
    network = build_network(config.model)
    if teacher:
        check_pupil(network, teacher[0])
        backbone = load_teacher(*teacher).config.backbone
        if _asks_for_blocks(config.fp) and backbone != network.config.backbone:
            raise TrackerError(f"fp.distillation.blocks is {config.fp.distillation.blocks}; it must be 0, since the "
                               f"backbone of --teacher {teacher[0]} has other stages than model.backbone")
    table = cost_table(network)
    needy = [method for method in methods if method in NEEDS_BUDGET]
    if needy and budget is None:
        raise TrackerError(f"{'--method ' + needy[0] if needy[0] == methods[0] else '--baselines'} needs --budget")
    if needy:
        check_budget(table, budget)
    if plan:
        if "mixbin" not in methods:
            raise TrackerError(f"--plan {plan}: takes the place of the search of --method mixbin, not {methods[0]}")
        given = load_plan(plan)
        try:
            validate(given, table)
        except PlanError as error:
            raise PlanError(f"--plan {plan}: {error}") from error
        ratio = table.divided(given.names).ratio(given.full)
        if ratio > budget:
            raise TrackerError(f"--plan {plan}: its ratio {ratio:.4f} is over --budget {budget:g}")
    if "exhaustive" in methods:
        exhaustive.check(table.split(granularity(config)), strategy_options(config, "exhaustive"))
    if "pruned" in methods and _asks_for_blocks(config.finetune):
        raise TrackerError(f"finetune.distillation.blocks is {config.finetune.distillation.blocks}; it must be 0 with "
                           "--method pruned, which removes channels of the stages")
    if "pruned" in methods:  # channels cannot be removed as far as bits can; better said now than after the others
        pruning.prune(network, *example_inputs(network), budget=budget, keep=network.prune_keep)


def train(job: Job) -> list[Path]:
    """Train what is missing; returns the run directories, the full-precision one first."""
    teacher = _full_precision(job)
    folders = [job.work_dir / "fp"]
    for method in job.methods:
        if method != "fp":
            folders.append(_budgeted(job, method, teacher))
    return folders


def run_name(method: str, budget: float | None) -> str:
    return method if method in ("fp", "bnn") else f"{method}-{budget:g}"


def _full_precision(job: Job) -> Network:
    run = RunFolder(job.work_dir / "fp", FP_SECTIONS)
    config = _run_config(job, "fp", None)
    if first_rank(lambda: run.claim(config, job.resume)):
        _say(f"{run.path}: finished before, used as it is")
        return _load(run, job)
    torch.manual_seed(job.seed)
    network = build_network(job.config.model)
    if job.pretrained:
        load_pretrained(network, job.pretrained)
    table = cost_table(network)
    seconds: dict[str, float] = {}
    teacher = load_teacher(*job.teacher) if job.teacher else None
    precision = job.config.runtime.precision
    if teacher:
        adopt_head(network, teacher)
        if job.config.fp.get("mimic"):
            seconds["mimic"] = _fit(job, "mimic", run, MimicTrainer(network, teacher, precision))
    seconds["fp"] = _fit(job, "fp", run, PairTrainer(network, precision, teacher, distillation(job.config.fp)))
    plan = all_full(table)
    checkpoint = Checkpoint(_plain(job.config.model), _plain(job.config.tracking))
    _finish(run, network, checkpoint, plan, summarize(
        "fp", "fp", None, table, plan, table, **_provenance(job, seconds, "fp")))
    return _load(run, job)


def _budgeted(job: Job, method: str, teacher: Network) -> Path:
    name = run_name(method, job.budget)
    run = RunFolder(job.work_dir / name, ALL_SECTIONS if method in SEARCHED else
                    RANDOM_SECTIONS if method == "random" else FINETUNE_SECTIONS)
    config = _run_config(job, method, job.budget)
    if first_rank(lambda: run.claim(config, job.resume)):
        _say(f"{run.path}: finished before, used as it is")
        return run.path
    seconds: dict[str, float] = {}
    network = unfrozen(teacher)
    full_table = cost_table(network)
    pruned = None
    if method == "pruned":
        pruned = pruning.prune(network, *example_inputs(network), budget=job.budget, keep=network.prune_keep)
        table = cost_table(network)
        plan = all_full(table)
    else:
        plan = _plan(job, method, run, full_table, teacher, seconds)
        table = full_table.divided(plan.names)
        binarize(network, plan, table, recipe(job.config))
    _say(f"{name}: counted FLOPs ratio {table.counted(plan.full) / full_table.total:.4f}"
         + (f" of a budget of {job.budget:g}" if method in NEEDS_BUDGET else "")
         + f"; {len(plan.binary)} of {len(table.eligible)} eligible units binary")
    trainer = PairTrainer(network, job.config.runtime.precision, teacher, distillation(job.config.finetune),
                          recipe=recipe(job.config))
    seconds["finetune"] = _fit(job, "finetune", run, trainer)
    checkpoint = Checkpoint(_plain(job.config.model), _plain(job.config.tracking),
                            plan if method != "pruned" else None, pruned, recipe(job.config))
    _finish(run, network, checkpoint, plan, summarize(
        name, method, job.budget if method in NEEDS_BUDGET else None, table, plan, full_table,
        **_provenance(job, seconds, method)))
    return run.path


def _plan(job: Job, method: str, run: RunFolder, table: CostTable, teacher: Network,
          seconds: dict[str, float]) -> BinarizationPlan:
    if method == "bnn":
        return all_binary(table)
    if job.plan and method == "mixbin":
        return load_plan(job.plan)
    table = table.split(granularity(job.config))
    file = run.path / "search" / "plan.json"
    if not file.is_file() and method == "mixbin":
        _search(job, run, table, teacher, file)
    elif not file.is_file():
        _judge(job, method, table, teacher, file)
    seconds["search"] = json.loads(file.with_name("trace.json").read_text())["seconds"]
    return load_plan(file)


def _search(job: Job, run: RunFolder, table: CostTable, teacher: Network, file: Path) -> None:
    """MixBin's relaxed search from the full-precision weights; what stays is its plan and the gates' history."""
    network = unfrozen(teacher)
    options = typed(mixbin.MixBinOptions, job.config.search["mixbin"], "search.mixbin")
    relaxation = mixbin.Relaxation(network, table, job.budget, options, job.seed, recipe(job.config))
    section = job.config.search
    trainer = PairTrainer(network, job.config.runtime.precision, teacher, distillation(section), relaxation)
    settings = PhaseSettings(section.iterations, section.lr, section.weight_decay, gate_lr=options.gate_lr)
    seconds = run_phase(trainer, settings, _loader(job, "search", section.iterations), file.parent,
                        f"{run.path.name} search", job.config.runtime, job.seed, job.device)
    trace = relaxation.trace()
    steps = trace["steps"][-1]["step"] + 1
    if trace["crisp_at"] is not None:
        _say(f"{run.path.name} search: all gates crisp after {steps} of {section.iterations} iterations")
    plan = relaxation.finish()
    if is_main_process():
        plot_gates(trace, plan.full, file.with_name("gates.png"))
    _keep(plan, trace | {"forward_passes": steps, "backward_passes": steps, "seconds": seconds}, file)


def _judge(job: Job, method: str, table: CostTable, teacher: Network, file: Path) -> None:
    """A search by a strategy that judges candidates, from the full-precision weights."""
    section, options = job.config.search, candidate_options(job.config)
    network = unfrozen(teacher).to(job.device).to(memory_format=torch.channels_last)
    batches: Iterable = ()
    if method not in BLIND:
        count = options.train_batches + options.held_out_batches
        # Not dealt to the processes: all judge by the same pairs.
        batches = DataLoader(_pairs(job, "search", count * job.config.data.batch_size), job.config.data.batch_size)
        _say(f"{file.parent}: {method} on {count} batches")
    problem = candidate_problem(network, table, batches, job.config, teacher, distillation(section),
                                recipe(job.config), job.device)
    plan, trace = strategy(method)(problem, job.budget, job.seed, strategy_options(job.config, method),
                                   file.with_name("state.jsonl"))
    _keep(plan, trace, file)


def _keep(plan: BinarizationPlan, trace: dict[str, Any], file: Path) -> None:
    """Write what a search leaves; the plan last, which marks it as done."""
    if is_main_process():
        write_json(file.with_name("trace.json"), trace)
        replace(plan, trace="trace.json").save(file)
    barrier()


def _fit(job: Job, phase: str, run: RunFolder, trainer: PairTrainer | MimicTrainer) -> float:
    """A phase, and BatchNorm statistics of the averaged weights that it leaves; returns the phase's seconds."""
    section = _section(job.config, phase)
    settings = PhaseSettings(section.iterations, section.lr, section.weight_decay, ema=job.config.runtime.ema)
    label = phase if phase in ("mimic", "fp") else f"{run.path.name} {phase}"
    seconds = run_phase(trainer, settings, _loader(job, phase, section.iterations), run.path / phase, label,
                        job.config.runtime, job.seed, job.device)

    def forward(batch: dict[str, torch.Tensor]) -> None:
        trainer(**{key: value.to(job.device) for key, value in batch.items()})

    reestimate_batchnorm(trainer.network, _loader(job, phase, BATCHNORM_BATCHES), forward)
    trainer.network.cpu()
    return seconds


def _loader(job: Job, phase: str, iterations: int) -> DataLoader:
    data = job.config.data
    dataset = _pairs(job, phase, iterations * data.batch_size * get_world_size())
    return pair_loader(dataset, iterations, data.batch_size, data.workers)


def _pairs(job: Job, phase: str, count: int) -> PairDataset:
    """The first `count` pairs of a phase."""
    # Phases draw from different streams, methods of one phase from the same.
    seed = job.seed * 10 + ("fp", "search", "finetune", "mimic").index(phase)
    weights = [job.config.data.weights[cache.folder.name.split("-")[0]] for cache in job.caches]
    return PairDataset(job.caches, count, seed, pair_options(job.config, phase), weights, job.objects)


def _finish(run: RunFolder, network: Network, checkpoint: Checkpoint, plan: BinarizationPlan,
            summary: dict[str, Any]) -> None:
    if is_main_process():
        run.finish(network, checkpoint, plan, summary)
    phases = ", ".join(f"{phase} {seconds:.0f} s" for phase, seconds in summary["seconds"].items())
    _say(f"{run.path}: {phases}; peak memory so far {summary['peak_memory_mb']:.0f} MB")
    barrier()


def _load(run: RunFolder, job: Job) -> Network:
    return load_checkpoint(run.path / "checkpoint.pth", str(job.device))[0]


def unfrozen(network: Network) -> Network:
    """A copy to train, on the CPU; phases move it."""
    return copy.deepcopy(network).cpu().requires_grad_(True)


def _section(config: Config, phase: str) -> Config:
    return config.fp.mimic if phase == "mimic" else config[phase]


def distillation(section: Config) -> Distillation | None:
    """The phase's weights of distillation, None where it asks for none."""
    options = section.get("distillation")
    return None if options is None else typed(Distillation, options, "distillation")


def _asks_for_blocks(section: Config) -> bool:
    options = distillation(section)
    return options is not None and options.blocks > 0


def recipe(config: Config) -> Recipe:
    """How binary units compute and train, in the finetune phase and in the search before it."""
    return typed(Recipe, config.finetune.get("recipe", {}), "finetune.recipe")


def granularity(config: Config) -> int:
    """Parts of each layer that a search decides about one by one."""
    return config.search.get("granularity", SearchSection.granularity)


def _run_config(job: Job, method: str, budget: float | None) -> Config:
    """The configuration as it is stored with a run: with what the command line added."""
    config = copy.deepcopy(job.config)
    config.run = dict(
        method=method,
        budget=budget if method in NEEDS_BUDGET else None,
        seed=job.seed,
        data=[f"{cache.folder.name}: {cache.source}" for cache in (*job.caches, job.objects) if cache is not None],
        processes=get_world_size(),
        plan=str(job.plan) if job.plan and method == "mixbin" else None,
        pretrained=str(job.pretrained) if job.pretrained else None,
        teacher=f"{job.teacher[0]}: {job.teacher[1]}" if job.teacher else None,
    )
    return config


def _provenance(job: Job, seconds: dict[str, float], method: str) -> dict[str, Any]:
    """What else the summary tells: where the numbers come from."""
    trained = [phase for phase in seconds if phase != "search" or method not in JUDGES]
    return {
        "seed": job.seed,
        "iterations": {phase: _section(job.config, phase).iterations for phase in trained},
        "seconds": {phase: round(value, 1) for phase, value in seconds.items()},
        "device": str(job.device),
        "threads": torch.get_num_threads(),
        "processes": get_world_size(),
        "torch": torch.__version__,
        "host": platform.node(),
    }


def _plain(section: Config) -> dict[str, Any]:
    """Only dicts, lists and scalars, as a checkpoint that loads with `weights_only=True` must hold."""
    return json.loads(json.dumps(section))


def _say(text: str) -> None:
    if is_main_process():
        print(text, flush=True)
