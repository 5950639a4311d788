"""Find the results of evaluations on disk and read them again, down to the boxes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence as Sequences
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from datasets.errors import DataError
from datasets.sequence import Sequence
from eval import multi_start, results
from eval.dataset import Dataset, open_dataset
from eval.metrics import BenchmarkScores, score
from eval.reporting.wording import counted
from eval.table import read_tracks


@dataclass(frozen=True, eq=False)
class Result:
    """One tracker on one dataset.

    Attributes:
        row: its row of `results.json`.
        overlap, curves: scores under the benchmark's two rules with those of each sequence; None where the result files
            or the dataset are not at hand.
        boxes: sequence name -> (N, 4) predicted x, y, w, h, 0-based; empty likewise.
        starts: sequence name -> mean overlap of its runs from many starts; empty likewise, or where none were made.
    """

    row: Mapping[str, Any]
    overlap: BenchmarkScores | None = None
    curves: BenchmarkScores | None = None
    boxes: Mapping[str, np.ndarray] = field(default_factory=dict)
    starts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One folder of results: some trackers on one dataset.

    Attributes:
        folder: where `results.json` lies.
        name: of the dataset.
        dataset: None where the folder does not say what it was made on.
        sequences: what was evaluated; empty where the dataset is not at hand.
        partial: the dataset has more sequences than these.
        starts: options of the runs from many starts, None where none were made.
        results: one a tracker.
        problems: what is missing, a line each; first what the evaluation itself said.
    """

    folder: Path
    name: str
    dataset: Dataset | None
    sequences: tuple[Sequence, ...]
    partial: bool
    starts: multi_start.Options | None
    results: tuple[Result, ...]
    problems: tuple[str, ...]


def gather(folders: Sequences[Path]) -> tuple[list[Evaluation], list[str]]:
    """Read every `results.json` at or below the folders.

    Returns:
        The evaluations in the order of their folders, and a line for each file that is none.

    Raises:
        DataError: a folder does not exist, or there is no evaluation below any.
    """
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"--results {folder}: no such folder")
    evaluations, skipped = [], []
    for file in sorted({file for folder in folders for file in folder.rglob("results.json")}):
        try:
            evaluations.append(read_evaluation(file.parent))
        except DataError as error:
            skipped.append(str(error))
    if not evaluations:
        reason = skipped[0] if skipped else "evaluate trackers with eval/run_got10k.py or another eval/run_*.py first"
        raise DataError(f"no results of an evaluation below {', '.join(map(str, folders))}; {reason}")
    return evaluations, skipped


def read_evaluation(folder: Path) -> Evaluation:
    """Read one folder of results. What is gone of dataset and result files is named in `problems`.

    Raises:
        DataError: `results.json` is not the rows of an evaluation.
    """
    rows = _read_rows(folder / "results.json")
    problems: list[str] = []
    dataset, starts, known, sequences = None, None, {}, []
    try:
        dataset, names, starts, notes = _read_dataset(folder / "dataset.json")
        problems += notes
        known = {sequence.name: sequence for sequence in dataset.sequences()}
        gone = [name for name in names if name not in known]
        if gone:
            raise DataError(f"{dataset.root}: {_some(gone, names)} gone")
        sequences = [known[name] for name in names]
    except DataError as error:
        problems.append(f"Only the stored scores are shown, no curves, statistics or frames: {error}")
    found = []
    for row in rows:
        if all(row.get(key) is None for key in ("ao", "success")):
            problems.append(f"{row['tracker']} has no scores: {_unscored(folder, row, sequences, dataset)}")
        try:
            found.append(_read_result(folder, row, sequences, dataset, starts))
        except DataError as error:
            problems.append(f"{row['tracker']} has its stored scores only: {error}")
            found.append(Result(row))
    name = dataset.name if dataset else str(rows[0].get("dataset") or folder.name)
    return Evaluation(folder, name, dataset, tuple(sequences), len(sequences) < len(known), starts, tuple(found),
                      tuple(problems))


def _read_rows(file: Path) -> list[dict[str, Any]]:
    rows = _read_json(file)
    wanted = {"tracker", "checkpoint", "fps"}
    if not (isinstance(rows, list) and rows and all(isinstance(row, dict) and wanted <= row.keys() for row in rows)):
        raise DataError(f"{file}: not the rows of an evaluation")
    return rows


def _read_dataset(file: Path) -> tuple[Dataset, list[str], multi_start.Options | None, list[str]]:
    """The dataset, the names of its evaluated sequences, the options of many starts, and notes."""
    content = _read_json(file)
    try:
        dataset = open_dataset(content["benchmark"], Path(content["root"]), content["split"], content["name"])
        starts = content.get("multi_start")
        notes = [str(note) for note in content.get("notes", [])]
        return dataset, list(content["sequences"]), starts and multi_start.Options(**starts), notes
    except (KeyError, TypeError) as error:
        raise DataError(f"{file}: not the description of a dataset ({error})") from error


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{file}: no such file") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read ({error})") from error


def _read_result(
    folder: Path, row: dict[str, Any], sequences: list[Sequence], dataset: Dataset | None,
    starts: multi_start.Options | None,
) -> Result:
    if dataset is None or not sequences or (row.get("success") is None and row.get("ao") is None):
        return Result(row)
    tracks = read_tracks(folder / row["tracker"], sequences, dataset.rules.curves.origin)
    overlap, curves = score(dataset.rules.overlap, tracks), score(dataset.rules.curves, tracks)
    for key, now in (("ao", overlap.ao), ("success", curves.success)):
        then = row.get(key)
        if then is not None and not abs(now - then) < 5e-4:
            raise DataError(f"{key} of its result files is {now:.3f} now, not {then:.3f}; evaluate it again")
    targets = {}
    if starts is not None and row.get("multi_start_ao") is not None:
        targets = multi_start.target_scores(folder / row["tracker"], sequences, starts)
    return Result(row, overlap, curves, {track.name: track.predicted for track in tracks}, targets)


def _unscored(folder: Path, row: dict[str, Any], sequences: list[Sequence], dataset: Dataset | None) -> str:
    if dataset is None or not sequences:
        return "its evaluation is not complete, or its sequences have no frame to score"
    origin = dataset.rules.curves.origin
    missing = [one.name for one in sequences if not results.is_done(folder / row["tracker"], one, origin)]
    if not missing:
        return "its sequences have no frame to score"
    return f"{_some(missing, sequences)} missing"


def _some(names: Sequences[str], of: Sequences[Any]) -> str:
    """1 of 6 sequences (Car4) is, 3 of 6 sequences (Car4, ...) are."""
    dots, verb = (", ...", "are") if len(names) > 1 else ("", "is")
    return f"{len(names)} of {counted(len(of), 'sequence')} ({names[0]}{dots}) {verb}"
