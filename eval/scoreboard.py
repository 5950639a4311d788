"""Trackers' raw result files scored beside each other: what `score.py` prints and writes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from datasets.annotations import read_names
from datasets.errors import DataError
from datasets.files import write_text
from eval.ground_truth import Truth, read_truths
from eval.metrics import BenchmarkScores, Scores, score
from eval.printing import Table, number, other_rules
from eval.protocols import BENCHMARKS, Benchmark
from eval.raw_results import INVALID, Finding, ResultFolder, find_results, read_tracks, same_names

_CURVES = ("success", "precision", "norm_precision")
_HEADS = {"ao": "AO", "sr50": "SR .5", "sr75": "SR .75", "success": "success", "precision": "precision",
          "norm_precision": "norm. prec."}


@dataclass(frozen=True, eq=False)
class Row:
    """One tracker.

    Attributes:
        tracker: its name.
        overlap: AO and SR, None where the benchmark itself does not report them.
        curves: scores of success and precision.
        others: the same boxes under the rules of other toolkits.
        protocol: names the rules of `overlap` and `curves`.
        scored, missing: numbers of sequences.
        problems: what did not fit; empty for clean results.
        remarks: what else should be known about the scores, without being a fault.
    """

    tracker: str
    overlap: BenchmarkScores | None
    curves: BenchmarkScores
    others: tuple[BenchmarkScores, ...]
    protocol: str
    scored: int
    missing: int
    problems: tuple[Finding, ...]
    remarks: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        """The row as `score.py --json` writes it; fractions, None where there is nothing."""
        return {
            "tracker": self.tracker,
            **(_figures(self.overlap, "ao", "sr50", "sr75") if self.overlap else {}),
            **_figures(self.curves, *_CURVES),
            "protocol": self.protocol,
            "sequences": self.scored,
            "missing": self.missing,
            "problems": [f"{one.place}: {one.kind}" for one in self.problems],
            "remarks": [f"{one.place}: {one.kind}" for one in self.remarks],
            "others": [{"protocol": one.protocol, **_figures(one, *_CURVES)} for one in self.others],
        }


@dataclass(frozen=True, eq=False)
class Scoreboard:
    """All rows, and remarks that hold for every one."""

    rows: list[Row]
    notes: list[str]


def score_results(
    benchmark: str, truth: Path, results: Path, subset: Path | None = None, trackers: list[str] | None = None
) -> Scoreboard:
    """Score raw result files against a ground truth.

    Args:
        benchmark: key of `eval.protocols.BENCHMARKS`.
        truth: folder of the ground truth, see `eval.ground_truth`.
        results: folder of the trackers, see `eval.raw_results`.
        subset: file with the names of the sequences to score, one a line; None: all.
        trackers: names of those to score; None: all.

    Raises:
        DataError: a folder or file is missing or malformed, a name is unknown or ambiguous, nothing to score.
    """
    rules = BENCHMARKS[benchmark]
    truths = read_truths(truth, rules.curves.origin)
    names = [one.name for one in truths]
    folders = find_results(results, names)
    if trackers is not None:
        folders = _chosen(folders, trackers)
    if subset is not None:
        truths = _subset(truths, subset)
    sizes = {one.name: one.frame_size() for one in truths} if rules.reports_overlap else {}
    return Scoreboard([_row(folder, truths, rules, sizes) for folder in folders], _notes(truths, rules, sizes))


def check_json(path: Path) -> None:
    """Raise DataError if `write_json` could not write there; better before scoring than after."""
    try:
        if path.is_dir() or not path.parent.is_dir():
            raise DataError(f"--json {path}: " + ("is a folder" if path.is_dir() else "its folder does not exist"))
        # Tried, not asked: permissions alone do not tell.
        with NamedTemporaryFile(dir=path.parent, prefix=path.name):
            pass
    except OSError as error:
        raise DataError(f"--json {path}: cannot be written ({error.strerror})") from error


def write_json(board: Scoreboard, path: Path) -> None:
    """Write the rows as a JSON list; an older file is replaced."""
    write_text(path, json.dumps([row.as_json() for row in board.rows], indent=2, allow_nan=False) + "\n")


def tables(board: Scoreboard, title: str) -> list[Table]:
    """The rows as a table, stars mark those with problems, and the same boxes by the rules of other toolkits."""
    rows = [row.as_json() for row in board.rows]
    # The rule's own columns stay where nothing could be scored: those are NaN, a figure that it has not is None.
    has_norm = board.rows[0].curves.norm_precision is not None
    keys = [key for key in _HEADS if key in rows[0] and (has_norm or key != "norm_precision")]
    body = [[row["tracker"], f"{row['sequences']}/{row['sequences'] + row['missing']}" + "*" * bool(row["problems"]),
             *(number(row[key], ".3f") for key in keys)] for row in rows]
    return [Table(title, ["tracker", "sequences", *(_HEADS[key] for key in keys)], body, names=2), *other_rules(rows)]


def remarks(board: Scoreboard) -> list[str]:
    """What stands below the tables: the rule, the notes, and a line for each tracker and kind of problem or remark."""
    lines = [f"Rule: {board.rows[0].protocol}.", *board.notes]
    for row in board.rows:
        for mark, findings in (("* ", row.problems), ("", row.remarks)):
            for kind in dict.fromkeys(one.kind for one in findings):
                places = [one.place for one in findings if one.kind == kind]
                lines.append(f"{mark}{row.tracker}: {kind} ({len(places)}): {_some(places)}")
    return lines


def _row(
    folder: ResultFolder, truths: list[Truth], rules: Benchmark, sizes: dict[str, tuple[int, int] | None]
) -> Row:
    tracks, problems, remarks = read_tracks(folder, truths, rules.curves.origin, sizes)
    overlap = score(rules.overlap, tracks) if rules.reports_overlap else None
    curves = score(rules.curves, tracks)
    remarks = [replace(one, kind=f"{INVALID}, {_invalid_scored(rules)}") if one.kind == INVALID else one
               for one in remarks]
    scored = len({track.name for track in tracks})
    return Row(
        folder.name,
        overlap,
        curves,
        tuple(score(rule, tracks) for rule in rules.others),
        rules.rules if overlap else rules.curves.name,
        scored,
        len(truths) - scored,
        tuple(problems),
        (*remarks, *_left_out(curves)),
    )


def _invalid_scored(rules: Benchmark) -> str:
    """How the benchmark's own rules score a box that is none."""
    words = {"missed": "as misses", "repeated": "as the row before"}
    own = (rules.overlap, rules.curves) if rules.reports_overlap else (rules.curves,)
    return "scored " + ", ".join(f"{words[rule.invalid_result]} by the {rule.name}" for rule in own)


def _left_out(curves: BenchmarkScores) -> list[Finding]:
    """Sequences that were read but have no say in a mean."""
    found = []
    for one in curves.sequences:
        figures = _figures(one, *(name for name in _CURVES if getattr(one, name) is not None))
        names = ", ".join(name.replace("norm_", "normalised ") for name, value in figures.items() if value is None)
        if names:
            why = "never hit" if one.weight else "no frame to score"
            found.append(Finding(f"{why}, left out of {names} by the {curves.protocol}", one.name))
    return found


def _notes(truths: list[Truth], rules: Benchmark, sizes: dict[str, tuple[int, int] | None]) -> list[str]:
    notes = []
    unknown = [name for name, size in sizes.items() if size is None]
    if unknown:
        notes.append(f"Frame size unknown for {_some(unknown)}: boxes are not confined to the frame.")
    reads_labels = any(rule.absent != "unread" for rule in (rules.curves, *rules.others))
    unlabelled = [one.name for one in truths if one.visible is None]
    if reads_labels and unlabelled:
        notes.append(f"No labels of absence for {_some(unlabelled)}: every frame counts as showing the target.")
    return notes


def _chosen(folders: list[ResultFolder], names: list[str]) -> list[ResultFolder]:
    known = {folder.name: folder for folder in folders}
    for name in names:
        if name not in known:
            raise DataError(f"--trackers {name}: no such tracker; there are {_some(known)}")
    return [known[name] for name in dict.fromkeys(names)]


def _subset(truths: list[Truth], listed: Path) -> list[Truth]:
    find, chosen = same_names(one.name for one in truths), set()
    for name in read_names(listed):
        found = find(name)
        if found is None:
            raise DataError(f"--subset {listed}: {name} is no sequence of the ground truth")
        chosen.add(found)
    if not chosen:
        raise DataError(f"--subset {listed}: no names in this file")
    return [one for one in truths if one.name in chosen]


def _some(names: Iterable[str], count: int = 5) -> str:
    """The first names, and how many more there are."""
    listed = list(names)
    rest = len(listed) - count
    return ", ".join(listed[:count]) + (f" and {rest} more" if rest > 0 else "")


def _figures(scores: Scores, *names: str) -> dict[str, float | None]:
    values = {name: getattr(scores, name) for name in names}
    return {name: None if value is None or math.isnan(value) else value for name, value in values.items()}
