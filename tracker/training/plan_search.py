"""The plan of a method: given, or searched for from the full-precision weights.

Searches that judge candidates keep what they worked out in `<work dir>/searches/<method>-<digest>.jsonl`, which all
budgets share: what a unit or a candidate is worth does not depend on the budget. The digest is of everything else that
it depends on. MixBin's gates compete for one budget, and so it is searched anew for each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.dist import barrier, is_main_process
from torch.utils.data import DataLoader

from b2nn.cost import CostTable
from b2nn.plan import BinarizationPlan, all_binary, load_plan
from b2nn.search import mixbin, strategy
from b2nn.search.run import fingerprint
from tracker.models import Network
from tracker.training.candidates import BLIND, candidate_options, candidate_problem, strategy_options
from tracker.training.fitting import loader, pairs, unfrozen
from tracker.training.gate_plot import plot_gates
from tracker.training.job import Job, distillation, granularity, recipe
from tracker.training.module import PairTrainer
from tracker.training.phase import PhaseSettings, run_phase
from tracker.training.ranks import say
from tracker.training.runs import ALL_SECTIONS, field_of, plain, run_config, write_json
from tracker.typed import typed


class Found(NamedTuple):
    """A plan and what finding it took.

    Attributes:
        seconds: of the search; None where there was none.
        iterations: of training that the search ran; None where it trained nothing but candidates.
    """

    plan: BinarizationPlan
    seconds: float | None = None
    iterations: int | None = None


def find_plan(job: Job, method: str, budget: float | None, folder: Path, label: str, table: CostTable,
              teacher: Network) -> Found:
    """The plan of `method`.

    Args:
        budget: as a share of the cost in `table`.
        folder: where the search leaves `plan.json` and `trace.json`; a plan that is there is taken.
        label: what the progress says.
        table: cost of `teacher` by the budget's metric.
        teacher: full-precision tracker.
    """
    if method == "bnn":
        return Found(all_binary(table))
    if job.plan and method == "mixbin":
        return Found(load_plan(job.plan))
    table = table.split(granularity(job.config))
    file = folder / "plan.json"
    if not file.is_file() and method == "mixbin":
        _learn(job, budget, label, table, teacher, file)
    elif not file.is_file():
        _judge(job, method, budget, table, teacher, file)
    trace = json.loads(file.with_name("trace.json").read_text())
    return Found(load_plan(file), trace["seconds"], trace["forward_passes"] if method == "mixbin" else None)


def state_file(job: Job, method: str, teacher: Network) -> Path:
    """Where searches by `method` from these weights keep what they worked out, whatever their budget."""
    config = run_config(job, method, None)
    facts = {name: plain(field_of(config, name)) for name in ALL_SECTIONS}
    for own in ("method", "budget", "metric", "latency_precision", "widths"):
        facts["run"].pop(own, None)
    digest = hashlib.sha256(json.dumps([facts, fingerprint(teacher)], sort_keys=True).encode()).hexdigest()
    return job.work_dir / "searches" / f"{method}-{digest[:12]}.jsonl"


def _learn(job: Job, budget: float, label: str, table: CostTable, teacher: Network, file: Path) -> None:
    """MixBin's relaxed search from the full-precision weights; what stays is its plan and the gates' history."""
    network = unfrozen(teacher)
    options = typed(mixbin.GateOptions, job.config.search["mixbin"], "search.mixbin")
    relaxation = mixbin.Relaxation(network, table, budget, options, job.seed, recipe(job.config))
    section = job.config.search
    trainer = PairTrainer(network, job.config.runtime.precision, teacher, distillation(section), relaxation)
    settings = PhaseSettings(section.iterations, section.lr, section.weight_decay, gate_lr=options.gate_lr)
    seconds = run_phase(trainer, settings, loader(job, "search", section.iterations), file.parent, label,
                        job.config.runtime, job.seed, job.device)
    trace = relaxation.trace()
    steps = trace["steps"][-1]["step"] + 1
    if trace["crisp_at"] is not None:
        say(f"{label}: all gates crisp after {steps} of {section.iterations} iterations")
    plan = relaxation.finish()
    if is_main_process():
        plot_gates(trace, plan.full, file.with_name("gates.png"))
    _keep(plan, trace | {"forward_passes": steps, "backward_passes": steps, "seconds": seconds}, file)


def _judge(job: Job, method: str, budget: float, table: CostTable, teacher: Network, file: Path) -> None:
    """A search by a strategy that judges candidates, from the full-precision weights."""
    section, options = job.config.search, candidate_options(job.config)
    network = unfrozen(teacher).to(job.device).to(memory_format=torch.channels_last)
    batches: Iterable = ()
    state = None
    if method not in BLIND:
        count = options.train_batches + options.held_out_batches
        # Not dealt to the processes: all judge by the same pairs.
        batches = DataLoader(pairs(job, "search", count * job.config.data.batch_size), job.config.data.batch_size)
        state = state_file(job, method, teacher)
        say(f"{file.parent}: {method} on {count} batches")
    problem = candidate_problem(network, table, batches, job.config, teacher, distillation(section),
                                recipe(job.config), job.device)
    plan, trace = strategy(method)(problem, budget, job.seed, strategy_options(job.config, method), state)
    if trace["reused"]["forward_passes"]:
        say(f"{file.parent}: {trace['forward_passes']} forward passes; {trace['reused']['forward_passes']} more were "
            "done at other budgets")
    _keep(plan, trace, file)


def _keep(plan: BinarizationPlan, trace: dict[str, Any], file: Path) -> None:
    """Write what a search leaves; the plan last, which marks it as done."""
    if is_main_process():
        write_json(file.with_name("trace.json"), trace)
        replace(plan, trace="trace.json").save(file)
    barrier()
