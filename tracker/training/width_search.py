"""The width of the backbone, searched along with the plan.

Every width has its own full-precision tracker and its own search, at what the budget leaves it (`widths`). The plans
are then judged by one measure: after a short finetuning of equal length, the mean loss against the labels of pairs
that nothing is trained on, the same for all. Learning from the teacher is no part of it, for each width has another.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import barrier, is_main_process
from torch.utils.data import DataLoader

from b2nn.convert import binarize
from b2nn.cost import CostTable
from b2nn.plan import BinarizationPlan
from tracker.errors import TrackerError
from tracker.models import Network, build_network, cost_table
from tracker.training.fitting import fit, pairs, unfrozen
from tracker.training.full_precision import fp_name
from tracker.training.job import Job, distillation, recipe
from tracker.training.module import PairTrainer
from tracker.training.plan_search import find_plan
from tracker.training.ranks import from_first, say
from tracker.training.runs import write_json
from tracker.training.widths import Sized, sized_networks
from tracker.typed import typed
from tracker.validation import WidthOptions


@dataclass(frozen=True)
class Choice:
    """The best width: the job with its configuration, its full-precision tracker and costs, and its plan.

    Attributes:
        seconds: of all widths: `search` and, for judging their plans, `width`.
        iterations: of all widths: `search`, where it is one of training.
        facts: what the summary tells of it.
    """

    job: Job
    teacher: Network
    table: CostTable
    plan: BinarizationPlan
    seconds: dict[str, float]
    iterations: dict[str, int]
    facts: dict[str, Any]


def trained_widths(job: Job) -> list[float | None]:
    """Widths that need a full-precision tracker; None for the configuration's own."""
    wanted: dict[float | None, None] = {}
    if not job.widths or "pruned" in job.methods:
        wanted[None] = None
    for budget in job.budgets if job.widths else ():
        wanted |= {_key(one): None for one in sized_networks(job.config, job.widths, budget) if one.budget is not None}
    return list(wanted)


def choose_width(job: Job, method: str, budget: float, folder: Path,
                 teachers: Mapping[float | None, Network]) -> Choice:
    """Search a plan at every width that the budget admits, judge them all, and take the best.

    Args:
        budget: share of the FLOPs of the configuration's own network.
        folder: of the search; all that is found there is taken as it is, and `width.json` is written.
        teachers: full-precision trackers by width, as `trained_widths` names them.
    """
    name, options = job.run_name(method, budget), width_options(job)
    reference = cost_table(build_network(job.config.model)).total
    rows, found = [], {}
    for one in sized_networks(job.config, job.widths, budget):
        row = {"width": one.width, "full_precision_flops": one.table.total, "floor": one.floor, "budget": one.budget}
        rows.append(row)
        label = f"{name} width {one.width:g}"
        if one.budget is None:
            say(f"{label}: skipped, for with every eligible layer binary it still costs {one.floor:.4f}")
            continue
        say(f"{label}: the budget is {one.budget:.4f} of its own FLOPs")
        sized_job, teacher = replace(job, config=one.config), teachers[_key(one)]
        place = folder / f"width-{one.width:g}"
        search = find_plan(sized_job, method, one.budget, place, f"{label} search", one.table, teacher)
        plan = search.plan
        one = replace(one, table=one.table.divided(plan.names))
        judged = _judge(sized_job, place, label, one, plan, teacher, options)
        say(f"{label}: held-out loss {judged['loss']:.4f} ± {judged['standard_error']:.4f}")
        seconds = {"search": round(search.seconds or 0.0, 1), "finetune": judged.pop("seconds")}
        row |= {"full_precision": fp_name(_key(one)), "flops_ratio": one.table.counted(plan.full) / reference,
                "full_units": len(plan.full), "binary_units": len(plan.binary), **judged, "seconds": seconds}
        found[one.width] = (sized_job, teacher, one, search, row)
    best = min(found, key=lambda width: (found[width][4]["loss"], width))
    say(f"{name}: width {best:g} is the best of {', '.join(f'{width:g}' for width in found)}")
    if is_main_process():
        write_json(folder / "width.json", {
            "method": method, "budget": budget, "reference_width": job.config.model.backbone.width,
            "reference_flops": reference, "iterations": options.iterations,
            "held_out_pairs": options.held_out_batches * job.config.data.batch_size, "chosen": best,
            "candidates": rows})
    seconds = {phase: sum(row["seconds"][part] for *_, row in found.values())
               for phase, part in (("search", "search"), ("width", "finetune"))}
    trained = [search.iterations for *_, search, _ in found.values() if search.iterations is not None]
    iterations = {"search": sum(trained)} if trained else {}
    sized_job, teacher, one, search, _ = found[best]
    return Choice(sized_job, teacher, one.table, search.plan, seconds, iterations, {"width": best, "floor": one.floor})


def width_options(job: Job) -> WidthOptions:
    """How widths are judged."""
    return typed(WidthOptions, job.config.search.get("width", {}), "search.width")


def _judge(job: Job, folder: Path, label: str, one: Sized, plan: BinarizationPlan, teacher: Network,
           options: WidthOptions) -> dict[str, Any]:
    """`loss`, its `standard_error`, the `losses` of the batches and the `seconds` of the finetuning; from the file
    where they were kept before."""
    file = folder / "judged.json"
    if not file.is_file():
        network = binarize(unfrozen(teacher), plan, one.table, recipe(job.config))
        trainer = PairTrainer(network, job.config.runtime.precision, teacher, distillation(job.config.finetune),
                              recipe=recipe(job.config))
        seconds = fit(job, "finetune", folder / "finetune", f"{label} finetune", trainer, options.iterations)
        # Averaged weights are the same everywhere, BatchNorm statistics are those of a process's own batches.
        losses = from_first(lambda: _held_out_losses(job, label, network, options))
        mean = math.fsum(losses) / len(losses)
        spread = math.sqrt(math.fsum((loss - mean) ** 2 for loss in losses) / (len(losses) - 1))
        if is_main_process():
            write_json(file, {"loss": mean, "standard_error": spread / math.sqrt(len(losses)), "losses": losses,
                              "seconds": round(seconds, 1)})
        barrier()
    return json.loads(file.read_text())


@torch.no_grad()
def _held_out_losses(job: Job, label: str, network: Network, options: WidthOptions) -> list[float]:
    """Loss of each held-out batch against its labels."""
    size = job.config.data.batch_size
    trainer = PairTrainer(network.to(job.device), job.config.runtime.precision).eval()
    losses = []
    for batch in DataLoader(pairs(job, "width", options.held_out_batches * size), size):
        parts = trainer(**{name: value.to(job.device) for name, value in batch.items()})
        losses.append(float(torch.stack(list(parts.values())).sum()))
    if not all(math.isfinite(loss) for loss in losses):
        raise TrackerError(f"{label}: the held-out loss after {options.iterations} iterations is not finite; lower "
                           "finetune.lr")
    return losses


def _key(one: Sized) -> float | None:
    return None if one.own else one.width
