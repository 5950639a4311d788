"""What a network costs, layer by layer, and at which precision: the table of `b2track summary`."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from b2nn.cost import LANES, CostTable, UnitCost
from b2nn.packed.program import Conv
from b2nn.parts import by_layer
from b2nn.plan import BinarizationPlan, check_budget, load_plan, validate
from b2nn.pruning import PruningPlan
from tracker.errors import TrackerError
from tracker.form import runs_on
from tracker.frame_times import unit_seconds
from tracker.packed_layers import Half, by_unit, conv_halves, stored_bytes
from tracker.subject import preset_subject, subject_of

PRECISIONS = {"bits": "1 bit", "int8": "8 bit", "bf16": "16 bit", "float32": "32 bit"}


@dataclass(frozen=True)
class LayerCost:
    """One row: a unit, or everything that no unit does.

    Attributes:
        name: qualified name of the module; with the channels where a plan divides it.
        precision: one of the values of `PRECISIONS`.
        reason: why no plan may binarize it; empty if one may.
        macs: multiply-accumulates of one frame; None where they are not what is counted.
        flops: counted FLOPs: 2 a MAC, 1/64 of it in 1 bit.
        share: of the counted FLOPs of the network, 0 to 1.
        params_1bit, params_other: parameters stored in one bit, and in more.
        bytes: of the parameters: a bit or 4 bytes each; of a packed file what it holds.
        milliseconds: that it takes in a frame, packed; None where it was not measured.
    """

    name: str
    precision: str
    reason: str
    macs: int | None
    flops: float
    share: float
    params_1bit: int
    params_other: int
    bytes: int
    milliseconds: float | None = None


def layer_costs(table: CostTable, full: Collection[str], seconds: Mapping[str, float] | None = None
                ) -> list[LayerCost]:
    """The units in the order they run, then the rest.

    Args:
        full: the eligible units kept in full precision.
        seconds: of each unit, and under ``""`` of the rest, see `tracker.frame_times`.
    """
    counted = table.counted(full)
    rows = [_layer(unit, unit.eligible and unit.name not in set(full), counted) for unit in table.units]
    others = table.parameters - sum(unit.parameters for unit in table.units)
    rows.append(LayerCost("everything else", "32 bit", "norms, activations, pooling, correlation", None,
                          table.other_flops, table.other_flops / counted, 0, others, 4 * others))
    if seconds is None:
        return rows
    return [replace(row, milliseconds=1e3 * seconds[name])
            for row, name in zip(rows, [*(unit.name for unit in table.units), ""], strict=True)]


def _layer(unit: UnitCost, binary: bool, counted: float) -> LayerCost:
    flops = unit.flops / LANES if binary else float(unit.flops)
    bits = unit.weights if binary else 0
    others = unit.parameters - bits
    return LayerCost(unit.name, "1 bit" if binary else "32 bit", unit.reason, unit.macs, flops, flops / counted, bits,
                     others, math.ceil(bits / 8) + 4 * others)


def as_stored(rows: Sequence[LayerCost], convs: Collection[tuple[Half, Conv]], size: int, table: CostTable,
              full: Collection[str]) -> list[LayerCost]:
    """The rows of `layer_costs` with the precisions and bytes of a packed file of `size` bytes.

    Norms are folded into the layers before them; everything else is the file's header and what only the template needs.
    """
    precisions = {half: PRECISIONS[step.precision] for half, step in convs}
    stored = by_unit(stored_bytes(convs), table, full)
    named = {half.layer: precision for half, precision in precisions.items() if not half.binary}
    *units, rest = [
        replace(row, bytes=round(stored.get(row.name, 0)), precision=row.precision if row.params_1bit else named.get(
            next(iter(by_layer([row.name]))), row.precision)) for row in rows]
    return [*units, replace(rest, bytes=size - sum(row.bytes for row in units))]


def print_summary(config: str | None = None, checkpoint: Path | None = None, plan: Path | None = None,
                  budget: float | None = None) -> None:
    """Print the table of a configuration, a checkpoint or a packed file.

    Args:
        config: preset or file; ``demo`` where neither it nor a checkpoint is given.
        checkpoint: a trained tracker, with its own plan; packed perhaps.
        plan: plan to show instead; without any plan every layer is in full precision.
        budget: a share of the full-precision FLOPs to compare with.

    Raises:
        TrackerError, B2nnError: an option that cannot be used; the message names it.
    """
    if config is not None and checkpoint is not None:
        raise TrackerError("--config and --checkpoint are both given; name one of them")
    subject = subject_of(checkpoint) if checkpoint else preset_subject(config or "demo")
    table, chosen = subject.table, subject.stored.plan
    if plan is not None:
        if subject.file:
            raise TrackerError(f"--plan: {checkpoint} is packed by its own plan; give the checkpoint it was made from")
        chosen = load_plan(plan)
    if chosen is not None:
        validate(chosen, table)
        table = table.divided(chosen.names)
    if budget is not None:
        check_budget(table, budget)
    full = chosen.full if chosen else [unit.name for unit in table.eligible]
    packed = subject.packed if plan is None else None
    convs = conv_halves(subject.network, packed.packed.programs) if packed else []
    rows = layer_costs(table, full, unit_seconds(packed, convs, table, full) if packed else None)
    lines = _totals(table, full, chosen, subject.stored.pruned, budget,
                    (subject.fp_precision if subject.file else None) or "float32")
    if subject.file:
        size = subject.file.stat().st_size
        rows = as_stored(rows, convs, size, table, full)
        lines.append(f"file:           {size:,} bytes; {subject.fp_precision} rest")
    if packed:
        threads = torch.get_num_threads()
        lines.append(f"measured:       {sum(row.milliseconds or 0 for row in rows):.3f} ms a frame, packed with "
                     f"{subject.fp_precision} rest, on {runs_on()} with {threads} thread{'s' * (threads > 1)}")
    elif subject.unpacked and plan is None:
        lines.append(f"not measured:   {subject.unpacked}")
    _print(_rendered(rows, str(checkpoint or config or "demo")), lines)


def _print(shown: Table, lines: Sequence[str]) -> None:
    console = Console()
    # Wide enough for the reasons where the output is a file or a pipe; rather let a narrow terminal wrap lines than
    # cut names and figures.
    console.width = max(console.width, Console(width=1000).measure(shown).maximum)
    console.print(shown)
    for line in lines:
        console.print(line, highlight=False, markup=False)


def _rendered(rows: list[LayerCost], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in ("layer", "precision", "fixed because"):
        table.add_column(heading, overflow="fold")
    timed = any(row.milliseconds is not None for row in rows)
    for heading in ("MMACs", "counted MFLOPs", "share", "1-bit params", "other params", "bytes",
                    *(["ms"] if timed else [])):
        table.add_column(heading, justify="right")
    for row in rows:
        macs = "" if row.macs is None else f"{row.macs / 1e6:.2f}"
        table.add_row(row.name, row.precision, row.reason, macs, f"{row.flops / 1e6:.2f}", f"{row.share:.1%}",
                      f"{row.params_1bit:,}", f"{row.params_other:,}", f"{row.bytes:,}",
                      *([f"{row.milliseconds:.3f}"] if row.milliseconds is not None else []))
    return table


def _budget(plan: BinarizationPlan) -> str:
    return f"budget {plan.budget}" + ("" if plan.metric == "flops" else f" of {plan.metric}")


def _totals(table: CostTable, full: Collection[str], plan: BinarizationPlan | None,
            pruned: PruningPlan | None, budget: float | None, fp_precision: str) -> list[str]:
    everything = [unit.name for unit in table.eligible]
    bits, whole = table.params_1bit(full), table.params_32bit(full)
    bits_of_others = PRECISIONS[fp_precision].removesuffix(" bit")
    others = f"in 32 bit:      {whole:,} parameters, {4 * whole:,} bytes" if fp_precision == "float32" else \
        f"in {bits_of_others} or 32 bit:{' ' * (2 - len(bits_of_others))} {whole:,} parameters; each row says its own"
    lines = [
        f"full precision: {table.total / 1e6:.2f} MFLOPs a frame, {table.bytes(everything):,} bytes of "
        "parameters",
        f"counted:        {table.counted(full) / 1e6:.2f} MFLOPs a frame, {table.bytes(full):,} bytes of parameters",
        f"in 1 bit:       {bits:,} parameters, {math.ceil(bits / 8):,} bytes",
        others,
        f"ratio:          {table.ratio(full):.4f}"
        + (f", plan of {plan.strategy} for {_budget(plan)}" if plan else
           " of the pruned network, which has no plan" if pruned else ", no plan"),
        f"floor:          {table.floor:.4f}, with all {len(table.undivided.eligible)} eligible layers of "
        f"{len(table.undivided.units)} binary",
    ]
    if plan and plan.metric != "flops":
        lines.append(f"{plan.metric + ':':<15} {plan.ratio:.4f} of full precision, which is what the budget limits")
    if pruned:
        lines.append(f"pruned:         to {pruned.ratio:.4f} of the whole network's FLOPs, for budget "
                     f"{pruned.budget}")
    if budget is not None:
        spare = budget * table.total - table.counted(full)
        lines.append(f"budget:         {budget}, {abs(spare) / 1e6:.2f} MFLOPs "
                     f"{'above' if spare >= 0 else 'below'} what is counted here")
    return lines
