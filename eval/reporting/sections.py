"""What the page says about one folder of results: tables, figures, filmstrips, and sentences that sum them up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from datasets.errors import DataError
from eval.metrics import weighted_mean
from eval.protocols import LARGEST_DISTANCE, Benchmark, Protocol
from eval.reporting import figures, filmstrips, tables
from eval.reporting.figures import Figure, Point
from eval.reporting.filmstrips import Strip
from eval.reporting.gather import Evaluation
from eval.reporting.groups import METRICS, Group, Metric
from eval.reporting.looks import COLOURS, Look
from eval.reporting.rerun import command
from eval.reporting.rules import rules_table
from eval.reporting.statistics import Comparison, compare, holm, interval, smallest_p
from eval.reporting.tables import Table, metric_head
from eval.reporting.wording import counted, machine, probability, score, verdict


@dataclass(frozen=True)
class Section:
    """One dataset on the page. Empty where it is not to be had: then `problems` says why.

    Attributes:
        title, anchor: of the section; the anchor is unique on the page.
        folder: of the results.
        lead: sentences that sum it up.
        comparison: the table of all trackers.
        labels: of the trackers, for the legend.
        certainty: what the differences are worth.
        figures, by_sequence: curves and trade-offs; scores by attribute and sequence.
        strips: frames with boxes.
        undrawn: the trackers whose boxes they leave out.
        more: many starts, other toolkits' rules.
        origin: trackers and rules.
        command: makes these results again.
    """

    title: str
    anchor: str
    folder: str
    lead: tuple[str, ...]
    problems: tuple[str, ...]
    comparison: Table
    labels: tuple[str, ...]
    certainty: tuple[Table, ...]
    figures: tuple[Figure, ...]
    by_sequence: tuple[Figure, ...]
    strips: tuple[Strip, ...]
    undrawn: tuple[str, ...]
    more: tuple[Table, ...]
    origin: tuple[Table, ...]
    command: str


def make_section(
    evaluation: Evaluation, groups: Sequence[Group], looks: Mapping[str, Look], title: str, anchor: str
) -> Section:
    """Put together what is to be said about one evaluation."""
    benchmark = evaluation.dataset.rules if evaluation.dataset else None
    metric = ranked_by(evaluation, groups)
    problems = list(evaluation.problems)
    values = {one.label: found for one in groups if (found := one.per_sequence(metric)) is not None}
    lead = [_ranking(evaluation, groups, metric, benchmark)]
    certainty: list[Table] = []
    by_sequence: list[Figure] = []
    strips: list[Strip] = []
    drawn: list[Group] = []
    if values and benchmark:
        certainty, sentence = _certainty(groups, values, metric, benchmark)
        lead += [sentence] if sentence else []
        by_sequence = _by_sequence(evaluation, values, looks, metric, benchmark, anchor)
        drawn = _drawn(groups, values)
        strips, missing = _strips(evaluation, drawn, values, looks)
        problems += missing
    more = (tables.many_starts(groups), tables.others(groups))
    return Section(
        title, anchor, str(evaluation.folder), tuple(lead), tuple(problems), tables.comparison(groups, benchmark),
        tuple(one.label for one in groups), tuple(certainty),
        tuple(_figures(groups, looks, metric, benchmark, anchor)), tuple(by_sequence), tuple(strips),
        tuple(label for label in values if label not in {one.label for one in drawn}),
        tuple(table for table in more if table),
        (tables.provenance(groups), *([rules_table(benchmark)] if benchmark else [])), command(evaluation),
    )


def ranked_by(evaluation: Evaluation, groups: Sequence[Group]) -> Metric:
    """The score that the benchmark itself ranks by: AO of GOT-10k, success of the others."""
    own_ao = evaluation.dataset is not None and evaluation.dataset.rules.reports_overlap
    only_ao = any(not math.isnan(group.mean("ao")) for group in groups) and all(
        math.isnan(group.mean("success")) for group in groups)
    return METRICS["ao" if own_ao or only_ao else "success"]


def _ranking(
    evaluation: Evaluation, groups: Sequence[Group], metric: Metric, benchmark: Benchmark | None
) -> str:
    ranked = sorted((group for group in groups if not math.isnan(group.mean(metric.key))),
                    key=lambda group: -group.mean(metric.key))
    if not ranked:
        return "Nothing could be scored."
    head = metric_head(metric, benchmark)
    places = ", ".join(f"{group.label} {score(group.mean(metric.key))}" for group in ranked[:3])
    rule = f" ({head.note})" if head.note else ""
    count = f"{counted(len(evaluation.sequences), 'sequence')}. " if evaluation.sequences else ""
    more = f" and {len(ranked) - 3} more" if len(ranked) > 3 else ""
    return f"{count}Ranked by {head.text}{rule}: {places}{more}."


def _certainty(
    groups: Sequence[Group], values: Mapping[str, tuple[np.ndarray, np.ndarray]], metric: Metric, benchmark: Benchmark
) -> tuple[list[Table], str]:
    """The tables of intervals and pairs, and the latter in a sentence."""
    intervals = {group.label: {key: interval(*scores) for key, one in METRICS.items()
                               if (scores := group.per_sequence(one)) is not None}
                 for group in groups if group.label in values}
    made = [tables.certainty(intervals, benchmark)]
    # Which of two peers is better is not asked here, and every pair makes all others harder to tell apart.
    peers = {group.label for group in groups if group.is_peer}
    asked = [pair for pair in combinations(values, 2) if not peers.issuperset(pair) or peers.issuperset(values)]
    found: dict[tuple[str, str], Comparison] = {
        (a, b): compare(values[a][0], values[b][0], values[a][1]) for a, b in asked
    }
    if not found:
        return made, ""
    corrected = dict(zip(found, holm([one.p for one in found.values()]), strict=True))
    count = max(one.sequences for one in found.values())
    number = counted(count, "sequence")
    remarks = [
        "Sign-flip permutation test of the paired differences over sequences, two-sided; p corrected for the number "
        "of pairs by Holm's method; better means corrected p ≤ .05. The interval is each difference's own 95 % "
        "(percentile bootstrap over sequences). Chance is here which sequences were filmed, not the training seed.",
    ]
    least = smallest_p(count, len(found))
    if least > 0.05:
        remarks.append(
            f"With {number} and {counted(len(found), 'pair')} no corrected p can fall below "
            f"{probability(least)}: no difference, however clear, could pass. More sequences are needed."
        )
    made.append(tables.pairs(found, corrected, metric_head(metric, benchmark).text, remarks))
    told = [f"{verdict(pair, one, corrected[pair])} than {_worse(pair, one)}"
            for pair, one in found.items() if corrected[pair] <= 0.05]
    if told:
        rest = f" The other pairs cannot be told apart with {number}." if len(told) < len(found) else ""
        return made, f"Larger than chance (corrected p ≤ .05): {'; '.join(told)}.{rest}"
    too_few = f", too few for {counted(len(found), 'pair')}" if least > 0.05 else ""
    return made, f"No two of these trackers can be told apart with {number}{too_few}."


def _worse(pair: tuple[str, str], found: Comparison) -> str:
    return pair[1] if found.difference.value > 0 else pair[0]


def _figures(
    groups: Sequence[Group], looks: Mapping[str, Look], metric: Metric, benchmark: Benchmark | None, anchor: str
) -> list[Figure]:
    made = []
    if benchmark:
        rule = benchmark.curves
        for name, field, ends, xlabel, ylabel, mark in (
            ("success", "success_curve", 1.0, "overlap threshold", "success", None),
            ("precision", "precision_curve", LARGEST_DISTANCE, "centre error threshold (px)", "precision",
             _number(rule.precision_at)),
            ("norm_precision", "norm_precision_curve", LARGEST_DISTANCE / 100, "centre error threshold (target sizes)",
             "normalised precision", _number(rule.norm_precision_at)),
        ):
            curves = {group.label: values for group in groups
                      if (values := group.curve(field)) is not None and not np.isnan(values).all()}
            if curves and (name != "norm_precision" or rule.norm_precision_at is not None):
                made.append(figures.draw_curves(f"{anchor}-{name}", curves, looks, ends, xlabel, ylabel, mark,
                                                _curve_caption(name, rule)))
    head = metric_head(metric, benchmark)
    for key, scale, xlabel, cheap in (("counted_flops", 1e9, "counted GFLOPs of one update", True),
                                      ("fps", 1.0, "frames a second", False)):
        points = [Point(group.label, group.mean(key) / scale, group.mean(metric.key), group.std(metric.key))
                  for group in groups]
        points = [point for point in points if not math.isnan(point.x) and not math.isnan(point.y)]
        if points:
            caption = _trade_off_caption(key, _capital(head.text), groups)
            made.append(figures.draw_trade_off(f"{anchor}-{key}", points, looks, xlabel, head.text, cheap, caption))
    return made


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _number(at: float | str | None) -> float | None:
    return None if at is None or isinstance(at, str) else at


def _curve_caption(name: str, rule: Protocol) -> str:
    if name == "success":
        return f"Success ({rule.name}): share of frames with an overlap above the threshold; the score is the area."
    at = rule.precision_at if name == "precision" else rule.norm_precision_at
    what = "Precision" if name == "precision" else "Normalised precision"
    read = "the score is the area" if isinstance(at, str) else f"the score is read at {at:g}"
    return f"{what} ({rule.name}): share of frames with the centre within the threshold; {read}."


def _trade_off_caption(key: str, score: str, groups: Sequence[Group]) -> str:
    bars = " Bars: standard deviation over seeds." if any(len(group.results) > 1 for group in groups) else ""
    if key == "fps":
        machines = sorted({machine(one.row) for group in groups for one in group.results})
        warning = ", which do not compare" if len(machines) > 1 else ""
        timed = f" Timed on {' and '.join(machines)}{warning}."
        return f"{score} against speed; up and right is better.{timed}{bars}"
    unknown = [group.label for group in groups if math.isnan(group.mean(key))]
    left_out = f" Not known for {', '.join(unknown)}." if unknown else ""
    return f"{score} against counted FLOPs; up and left is better.{left_out}{bars}"


def _by_sequence(
    evaluation: Evaluation, values: Mapping[str, tuple[np.ndarray, np.ndarray]], looks: Mapping[str, Look],
    metric: Metric, benchmark: Benchmark, anchor: str,
) -> list[Figure]:
    """Scores by attribute, where the sequences have some, and by sequence, hard ones last."""
    made = []
    head = metric_head(metric, benchmark)
    attributes = sorted({name for sequence in evaluation.sequences for name in sequence.attributes})
    if attributes:
        rows = {}
        for name in attributes:
            has = np.array([name in sequence.attributes for sequence in evaluation.sequences])
            rows[f"{name} ({has.sum()})"] = {
                label: float(weighted_mean(scores[has, None], weights[has])[0])
                for label, (scores, weights) in values.items()}
        caption = f"{_capital(head.text)} by attribute; in brackets the number of sequences that have it."
        if any(looks[label].hatch for label in values):
            caption += " Hatched: trackers whose line is not solid."
        made.append(figures.draw_bars(f"{anchor}-attributes", rows, looks, head.text, caption))
    table = np.array([scores for scores, _ in values.values()])
    mean = np.nan_to_num(table.sum(axis=0), nan=-1)
    rows = {evaluation.sequences[index].name: dict(zip(values, table[:, index].tolist(), strict=True))
            for index in np.argsort(-mean, kind="stable")}
    made.append(figures.draw_dots(f"{anchor}-sequences", rows, looks, head.text,
                                  f"{_capital(head.text)} on each sequence, those that are hard for all last."))
    return made


def _drawn(groups: Sequence[Group], values: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[Group]:
    """As many trackers as there are colours: one's own, then the best peers."""
    best = sorted((group for group in groups if group.label in values),
                  key=lambda group: -np.nanmean(values[group.label][0]) if group.is_peer else -2)
    return [group for group in groups if group in best[:len(COLOURS)]]


def _strips(
    evaluation: Evaluation, drawn: Sequence[Group], values: Mapping[str, tuple[np.ndarray, np.ndarray]],
    looks: Mapping[str, Look],
) -> tuple[list[Strip], list[str]]:
    """Filmstrips of the sequences that tell most, and a line for each that cannot be drawn."""
    full = [group.label for group in drawn if group.row.get("method") == "fp"]
    made, missing = [], []
    chosen = filmstrips.choose({label: scores for label, (scores, _) in values.items()}, full[0] if full else None)
    for index, why in chosen.items():
        sequence = evaluation.sequences[index]
        boxes = {group.label: group.results[0].boxes[sequence.name] for group in drawn}
        try:
            made.append(filmstrips.make_strip(sequence, boxes, looks, why))
        except DataError as error:
            missing.append(f"No filmstrip of {sequence.name}: {error}")
    return made, missing

