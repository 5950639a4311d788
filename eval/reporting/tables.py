"""The tables of the page, as text cells that HTML and Markdown render alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval import multi_start
from eval.protocols import Benchmark, Protocol
from eval.reporting.groups import METRICS, Group, Metric
from eval.reporting.statistics import Comparison, Interval
from eval.reporting.wording import UNKNOWN, machine, probability, score, signed, verdict


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a smaller second line, whether it is the best of its column, whose row it heads."""

    text: str
    note: str = ""
    best: bool = False
    tracker: str | None = None


@dataclass(frozen=True)
class Table:
    """A table: what it shows, heads and rows of cells, and remarks below it. Columns from `numbers` on are figures."""

    title: str
    head: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    numbers: int = 1


def comparison(groups: Sequence[Group], benchmark: Benchmark | None) -> Table:
    """All trackers: how well they score, how fast they are, what they cost. Columns nobody fills are left out."""
    columns = [
        *((metric_head(metric, benchmark), metric.key, score, max) for metric in _in_order(benchmark)),
        (Cell("fps"), "fps", _plain(".1f"), max),
        (Cell("GFLOPs", "counted"), "counted_flops", lambda x: f"{x / 1e9:.3f}", min),
        (Cell("FLOPs ratio"), "flops_ratio", score, min),
        (Cell("size", "kB"), "bytes", lambda x: f"{x / 1e3:,.0f}", min),
    ]
    columns = [column for column in columns if any(not math.isnan(group.mean(column[1])) for group in groups)]
    best = {key: chosen(group.mean(key) for group in groups if not math.isnan(group.mean(key)))
            for _, key, _, chosen in columns}

    def cells(group: Group) -> tuple[Cell, ...]:
        return (
            tracker_cell(group.label, _kind(group)),
            *(Cell(_spread(group, key, form), best=group.mean(key) == best[key] and len(groups) > 1)
              for _, key, form, _ in columns),
        )

    head = (Cell("tracker", "method, budget"), *(column[0] for column in columns))
    notes = []
    if any(len(group.results) > 1 for group in groups):
        notes.append("± is the sample standard deviation over training seeds.")
    return Table("Comparison", head, tuple(cells(group) for group in groups), tuple(notes))


def certainty(intervals: Mapping[str, Mapping[str, Interval]], benchmark: Benchmark) -> Table:
    """The score and 95 % interval of each tracker and metric: label -> metric key -> interval."""
    keys = [one.key for one in _in_order(benchmark) if any(one.key in values for values in intervals.values())]
    rows = tuple(
        (tracker_cell(label), *(_interval_cell(values.get(key)) for key in keys)) for label, values in intervals.items()
    )
    head = (Cell("tracker"), *(metric_head(METRICS[key], benchmark) for key in keys))
    return Table("95 % intervals over sequences", head, rows, (
        "Percentile bootstrap over the sequences: where a score would lie if other sequences of the same kind had been "
        "filmed. Trackers are compared on the same sequences, so overlapping intervals do not mean equal trackers: the "
        "next table compares them pair by pair.",
    ))


def pairs(
    found: Mapping[tuple[str, str], Comparison], corrected: Mapping[tuple[str, str], float], metric: str,
    remarks: Sequence[str],
) -> Table:
    """Each pair of trackers: difference, interval, p-value, and the verdict in words."""
    rows = tuple(
        (Cell(f"{first} − {second}"), Cell(verdict((first, second), one, corrected[first, second])),
         Cell(signed(one.difference.value)), Cell(_range(one.difference, signed)), Cell(probability(one.p)),
         Cell(probability(corrected[first, second])))
        for (first, second), one in found.items()
    )
    head = (Cell("pair"), Cell("in words"), Cell("difference", metric), Cell("95 % interval"), Cell("p"),
            Cell("p, corrected", "Holm"))
    return Table("Are the differences larger than chance?", head, rows, tuple(remarks), numbers=2)


def many_starts(groups: Sequence[Group]) -> Table | None:
    """Scores of runs from many starting frames, compared with the first line's; None where nobody has any."""
    shown = [group for group in groups if not math.isnan(group.mean("multi_start_ao"))]
    if not shown:
        return None
    highest = max(group.mean("multi_start_ao") for group in shown)
    rows = []
    for group in shown:
        found = None if group is shown[0] else _difference(group, shown[0])
        rows.append((
            tracker_cell(group.label), Cell(_spread(group, "multi_start_ao", score),
                                            best=group.mean("multi_start_ao") == highest and len(shown) > 1),
            Cell(_spread(group, "multi_start_targets", _plain(".0f"))),
            Cell(_spread(group, "multi_start_runs", _plain(",.0f"))),
            Cell(UNKNOWN if found is None else f"{signed(found.mean)} ± {score(found.stderr)}"),
        ))
    head = (Cell("tracker"), Cell("mean overlap"), Cell("targets"), Cell("runs"),
            Cell("difference", f"to {shown[0].label}"))
    return Table("Many starts", head, tuple(rows), (
        "Short runs forward and backward from many frames of each sequence, averaged over the runs of a target and "
        "then over targets. Behind ± is the standard error of the mean paired difference over targets.",
    ))


def _difference(group: Group, reference: Group) -> multi_start.Difference | None:
    """Paired over targets; what the row says where the targets' scores are not at hand."""
    row = group.row
    if not group.starts and len(group.results) == 1 and row.get("multi_start_reference") == reference.row["tracker"]:
        return multi_start.Difference(row["multi_start_difference"], row["multi_start_stderr"],
                                      row["multi_start_targets"])
    return multi_start.difference(group.starts, reference.starts)


def others(groups: Sequence[Group]) -> Table | None:
    """The same boxes under other rules, mostly of other toolkits; None where there are none."""
    found = {group.label: {one["protocol"]: one for one in group.row.get("others") or []} for group in groups}
    columns = [
        (rule, key) for rule in dict.fromkeys(rule for own in found.values() for rule in own)
        for key in ("success", "precision", "norm_precision")
        if any(own.get(rule, {}).get(key) is not None for own in found.values())
    ]
    if not columns:
        return None
    rows = tuple(
        (tracker_cell(group.label), *(Cell(score(found[group.label].get(rule, {}).get(key))) for rule, key in columns))
        for group in groups
    )
    head = (Cell("tracker"), *(Cell(_TITLES[key], rule) for rule, key in columns))
    seeds = any(len(group.results) > 1 for group in groups)
    notes = ("Of several seeds the first one's.",) if seeds else ()
    return Table("The same boxes by other rules", head, rows, notes)


def provenance(groups: Sequence[Group]) -> Table:
    """Where each tracker comes from and what it was timed on."""
    head = tuple(map(Cell, ("tracker", "made from", "SHA-256", "seed", "timed on")))
    rows = tuple(
        (tracker_cell(group.label), Cell(str(row["checkpoint"])), Cell(str(row.get("sha256") or UNKNOWN)[:16]),
         Cell(UNKNOWN if row.get("seed") is None else str(row["seed"])), Cell(machine(row)))
        for group in groups for row in (one.row for one in group.results)
    )
    return Table("Trackers", head, rows, ("Of each SHA-256 the first 16 digits.",), numbers=len(head))


def summary(datasets: Mapping[str, tuple[str, Sequence[Group]]]) -> Table:
    """All trackers over all datasets, by the score that each is ranked by: dataset -> (metric key, groups)."""
    ordered = {group.label: group for _, groups in datasets.values() for group in groups}
    rows = []
    for label, any_group in ordered.items():
        cells = []
        for key, groups in datasets.values():
            own = [group for group in groups if group.label == label]
            top = max((group.mean(key) for group in groups if not math.isnan(group.mean(key))), default=math.nan)
            cells.append(Cell(_spread(own[0], key, score), best=own[0].mean(key) == top and len(groups) > 1)
                         if own else Cell(UNKNOWN))
        rows.append((tracker_cell(label, _kind(any_group)), Cell(_spread(any_group, "flops_ratio", score)), *cells))
    head = (Cell("tracker"), Cell("FLOPs ratio"),
            *(Cell(name, _TITLES[key]) for name, (key, _) in datasets.items()))
    return Table("All datasets", head, tuple(rows))


def _in_order(benchmark: Benchmark | None) -> list[Metric]:
    """The scores, those first that the benchmark itself reports: a narrow screen shows no others."""
    own = "curves" if benchmark and not benchmark.reports_overlap else "overlap"
    return sorted(METRICS.values(), key=lambda metric: metric.rule != own)


_TITLES = {"ao": "AO", "sr50": "SR0.5", "sr75": "SR0.75", "success": "success", "precision": "precision",
           "norm_precision": "norm. precision"}


def metric_head(metric: Metric, benchmark: Benchmark | None) -> Cell:
    """The name of a metric, where it is read off its curve, and the rule it is taken by."""
    if benchmark is None:
        return Cell(_TITLES[metric.key])
    rule: Protocol = getattr(benchmark, metric.rule)
    at: Any = {"precision": rule.precision_at, "norm_precision": rule.norm_precision_at}.get(metric.key, "")
    where = f" @{at:g}" if isinstance(at, int | float) else " area" if at == "area" else ""
    return Cell(_TITLES[metric.key] + where, rule.name)


def tracker_cell(label: str, note: str = "") -> Cell:
    """The head of a tracker's row."""
    return Cell(label, note, tracker=label)


def _interval_cell(found: Interval | None) -> Cell:
    return Cell(UNKNOWN) if found is None else Cell(score(found.value), _range(found, score))


def _range(found: Interval, form: Callable[[float], str]) -> str:
    return UNKNOWN if math.isnan(found.low) else f"{form(found.low)} to {form(found.high)}"


def _plain(form: str) -> Callable[[float], str]:
    return lambda value: format(value, form)


def _spread(group: Group, key: str, form: Callable[[float], str]) -> str:
    """Mean ± standard deviation; the latter only where seeds differ."""
    mean, std = group.mean(key), group.std(key)
    if math.isnan(mean):
        return UNKNOWN
    return form(mean) if math.isnan(std) or std == 0 else f"{form(mean)} ± {form(std)}"


def _kind(group: Group) -> str:
    """What a line stands for: random, budget 0.30, 3 seeds."""
    method, budget, seeds = group.row.get("method"), group.row.get("budget"), len(group.results)
    facts = (
        method if method != group.label else None,
        None if budget is None else f"budget {budget:.2f}",
        f"{seeds} seeds" if seeds > 1 else None,
    )
    return ", ".join(str(fact) for fact in facts if fact)
