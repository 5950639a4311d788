"""Which results belong together: the seeds of one method become one line, `mean ± std (n)`."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from eval.metrics import BenchmarkScores
from eval.reporting.gather import Evaluation, Result

METHODS = ("fp", "mixbin", "iterative", "evolution", "exhaustive", "sensitivity", "hessian", "uniform", "random",
           "pruned", "bnn")
"""The order of methods in tables; others follow, peers come last."""
_DIGITS = 6


class Metric(NamedTuple):
    """A score: its key in rows and in `Scores`, and which of the benchmark's two rules it is taken by."""

    key: str
    rule: Literal["overlap", "curves"]


METRICS = {key: Metric(key, "overlap") for key in ("ao", "sr50", "sr75")}
METRICS |= {key: Metric(key, "curves") for key in ("success", "precision", "norm_precision")}


@dataclass(frozen=True, eq=False)
class Group:
    """One line of a comparison: the results of one method that differ by the seed alone, often only one.

    Attributes:
        label: the same in all evaluations of a report.
        results: by seed, at least one.
    """

    label: str
    results: tuple[Result, ...]

    @property
    def row(self) -> Mapping[str, Any]:
        """The first one's row, for facts that all share."""
        return self.results[0].row

    @property
    def is_peer(self) -> bool:
        """Whether it is a tracker of somebody else."""
        return self.row.get("method") == "peer"

    def values(self, key: str) -> np.ndarray:
        """What the rows say under `key`, (n,); NaN where one does not know."""
        return np.array([np.nan if (value := one.row.get(key)) is None else value for one in self.results], float)

    def mean(self, key: str) -> float:
        """Mean over the seeds, NaN where one is not known."""
        return float(self.values(key).mean())

    def std(self, key: str) -> float:
        """Sample standard deviation over the seeds, NaN for a single one."""
        return float(self.values(key).std(ddof=1)) if len(self.results) > 1 else float("nan")

    def scores(self, rule: str) -> list[BenchmarkScores]:
        """Scores under one of the benchmark's rules, one a seed; empty where one is not at hand."""
        found = [getattr(one, rule) for one in self.results]
        return [] if None in found else found

    def curve(self, name: str) -> np.ndarray | None:
        """Mean over the seeds of one of the curves of `Scores`, None where they are not at hand."""
        scores = self.scores("curves")
        return np.mean([getattr(one, name) for one in scores], axis=0) if scores else None

    def per_sequence(self, metric: Metric) -> tuple[np.ndarray, np.ndarray] | None:
        """Values of a metric and weights of the sequences, (S,) each; None where they are not at hand.

        A value is the mean over the seeds, NaN where the sequence has no say.
        """
        scores = self.scores(metric.rule)
        if not scores or getattr(scores[0], metric.key) is None:
            return None
        values = [[getattr(sequence, metric.key) for sequence in one.sequences] for one in scores]
        return np.mean(values, axis=0), np.array([sequence.weight for sequence in scores[0].sequences], float)

    @property
    def starts(self) -> dict[str, float]:
        """Score of each target from many starts, the mean over the seeds; empty where it is not at hand."""
        shared = set.intersection(*(set(one.starts) for one in self.results))
        return {name: float(np.mean([one.starts[name] for one in self.results])) for name in sorted(shared)}


def name_groups(evaluations: Iterable[Evaluation]) -> dict[str, str]:
    """The label of each tracker's group, by the tracker's `identity`.

    Trackers of the same method, budget and architecture (told by the cost of the full-precision network) form a group
    if all have different seeds and files. Where a seed occurs twice they differ by more than that and stand alone.
    """
    rows = {identity(one.row): one.row for evaluation in evaluations for one in evaluation.results}
    names = _unique_names(rows)
    alike = defaultdict(list)
    for key, row in rows.items():
        alike[row.get("method"), row.get("budget"), row.get("fp_flops")].append(key)
    labels = dict(names)
    for (method, budget, flops), members in alike.items():
        seeds = [rows[key].get("seed") for key in members]
        paths = {_path(rows[key]) for key in members}
        if len(members) > 1 and None not in (method, flops, *seeds) and len(set(seeds)) == len(paths) == len(seeds):
            label = str(method) if budget is None else f"{method}-{budget:g}"
            if label in {other for key, other in labels.items() if key not in members}:
                label = f"{label}, as {names[members[0]]}"
            for key in members:
                labels[key] = label
    return labels


def group(evaluation: Evaluation, labels: Mapping[str, str]) -> list[Group]:
    """The results of one evaluation by group: full precision first, then by method and budget, peers last.

    Of several results of one file the first stands for all: they are no seeds.
    """
    members = defaultdict(list)
    for key, (one, *_) in _by_identity(evaluation).items():
        members[labels[key]].append(one)
    groups = [Group(label, tuple(sorted(found, key=lambda one: one.row.get("seed") or 0)))
              for label, found in members.items()]
    return sorted(groups, key=_rank)


def identity(row: Mapping[str, Any]) -> str:
    """What makes a tracker the same in several evaluations: the hash of its file, or its path where that is not known.

    A path is not enough: the file may have been replaced between two evaluations.
    """
    return str(row.get("sha256") or _path(row))


def confusions(evaluations: Sequence[Evaluation], labels: Mapping[str, str]) -> list[str]:
    """A line for each path that stands for several trackers, and for each tracker that one evaluation has twice."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for evaluation in evaluations:
        for one in evaluation.results:
            found[_path(one.row)][labels[identity(one.row)]] = str(one.row["checkpoint"])
    lines = [f"{next(iter(own.values()))} was replaced between the evaluations: {', '.join(own)} are different trackers"
             for own in found.values() if len(own) > 1]
    for evaluation in evaluations:
        for first, *more in _by_identity(evaluation).values():
            lines += [f"{evaluation.name}: {one.row['tracker']} is the same file as {first.row['tracker']} and shown "
                      "under that name only" for one in more]
    return lines


def _by_identity(evaluation: Evaluation) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = defaultdict(list)
    for one in evaluation.results:
        found[identity(one.row)].append(one)
    return found


def _path(row: Mapping[str, Any]) -> str:
    return os.path.abspath(row["checkpoint"])


def _rank(group: Group) -> tuple[int, float, str]:
    method = group.row.get("method")
    order = METHODS.index(method) if method in METHODS else len(METHODS) + (method == "peer")
    return order, group.row.get("budget") or 0.0, group.label


def _unique_names(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """A name for each tracker: its own, before it that of the folder above where two runs have one name, and behind it
    the beginning of its hash where that folder is the same too.
    """
    names = {key: str(row["tracker"]) for key, row in rows.items()}
    for longer in (
        lambda key: "/".join(Path(_path(rows[key])).parent.parts[-2:]),
        lambda key: f"{rows[key]['tracker']} ({key[:_DIGITS] if rows[key].get('sha256') else key})",
    ):
        counts = Counter(names.values())
        names = {key: name if counts[name] == 1 else longer(key) for key, name in names.items()}
    return names
