"""From result files to scores, and from scores to the table, the plots and `results.json`."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence as Sequences
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import images
from datasets.files import write_text
from datasets.sequence import Sequence
from eval import results
from eval.metrics import BenchmarkScores, Track, score
from eval.plots import Curve, plot_precision, plot_success
from eval.protocols import Benchmark
from eval.runner import TrackerSpec


@dataclass(frozen=True, eq=False)
class Entry:
    """One tracker on one benchmark.

    Attributes:
        spec: the tracker.
        overlap, curves: scores under the benchmark's two rules, None where a sequence is missing: scores over
            fewer sequences would not compare.
        fps: `update` calls over their summed time, without decoding; None without any.
        device, threads: what `fps` was measured on.
        protocol: names of the rules, and how many sequences were scored.
    """

    spec: TrackerSpec
    overlap: BenchmarkScores | None
    curves: BenchmarkScores | None
    fps: float | None
    device: str
    threads: int
    protocol: str

    def row(self) -> dict[str, Any]:
        """The entry as a row of `results.json`."""
        summary = self.spec.summary
        facts = ("method", "budget", "flops_ratio", "params_1bit", "params_32bit")
        values = {
            "tracker": self.spec.name,
            **{key: summary.get(key) for key in facts},
            "ao": self.overlap and self.overlap.ao,
            "sr50": self.overlap and self.overlap.sr50,
            "sr75": self.overlap and self.overlap.sr75,
            "success": self.curves and self.curves.success,
            "precision": self.curves and self.curves.precision,
            "norm_precision": self.curves and self.curves.norm_precision,
            "fps": self.fps,
            "device": self.device,
            "threads": self.threads,
            "checkpoint": self.spec.source,
            "protocol": self.protocol,
        }
        return {key: None if isinstance(value, float) and math.isnan(value) else value
                for key, value in values.items()}


def read_tracks(folder: Path, sequences: Sequences[Sequence], origin: int) -> list[Track]:
    """Join the result files of one tracker with the truth.

    Raises:
        DataError: a result file is missing or malformed, or a first frame cannot be read.
    """
    return [
        Track(sequence.name, results.read_track(folder, sequence, origin), sequence.boxes, sequence.visible,
              _frame_size(sequence.frames[0]))
        for sequence in sequences
    ]


def make_entry(
    spec: TrackerSpec, folder: Path, sequences: Sequences[Sequence], benchmark: Benchmark, device: str,
    threads: int,
) -> Entry:
    """Score one tracker from its result folder."""
    origin = benchmark.curves.origin
    done = [sequence for sequence in sequences if results.is_done(folder, sequence, origin)]
    complete = len(done) == len(sequences)
    tracks = read_tracks(folder, sequences, origin) if complete else []
    return Entry(
        spec,
        score(benchmark.overlap, tracks) if complete else None,
        score(benchmark.curves, tracks) if complete else None,
        _fps(folder, done),
        device,
        threads,
        f"{benchmark.rules}; {len(sequences)} sequences",
    )


def write_report(entries: list[Entry], out: Path, title: str, notes: Sequences[str]) -> None:
    """Write `results.json`, `table.md`, `success.png` and `precision.png` into `out`.

    Args:
        entries: one a tracker.
        title: what was evaluated, for the heads of table and plots.
        notes: lines below the table.
    """
    rows = [entry.row() for entry in entries]
    write_text(out / "results.json", json.dumps(rows, indent=2, allow_nan=False) + "\n")
    head, body = table(entries)
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *body)]
    text = "\n".join([f"# {title}", "", *lines, "", *(f"- {note}" for note in notes)])
    write_text(out / "table.md", text + "\n")
    scored = [(entry.spec.name, entry.curves) for entry in entries
              if entry.curves is not None and not math.isnan(entry.curves.success)]
    if scored:
        rule = scored[0][1].protocol
        plot_success([Curve(name, scores.success_curve, scores.success) for name, scores in scored],
                     out / "success.png", f"{title}: success\n({rule}, area under the curve)")
        plot_precision([Curve(name, scores.precision_curve, scores.precision) for name, scores in scored],
                       out / "precision.png", f"{title}: precision\n({rule}, at 20 px)", read_at=20)


def table(entries: list[Entry]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the comparison, each score with the full-precision tracker's beside it in brackets."""
    rows = [entry.row() for entry in entries]
    scores = [("AO", "ao"), ("SR0.5", "sr50"), ("SR0.75", "sr75"), ("success AUC", "success"),
              ("precision @20", "precision")]
    if any(row["norm_precision"] is not None for row in rows):
        scores.append(("norm. prec. @0.2", "norm_precision"))
    head = ["tracker", "method", "budget", "FLOPs ratio", "1-bit params", "32-bit params",
            *(name for name, _ in scores), "fps", "device, threads"]
    body = []
    for row in rows:
        rival = full_precision(row, rows)
        body.append([
            str(row["tracker"]),
            row["method"] or "-",
            _number(row["budget"], ".2f"),
            _number(row["flops_ratio"], ".3f"),
            _number(row["params_1bit"], ",d"),
            _number(row["params_32bit"], ",d"),
            *(_beside(row, rival, key, ".3f") for _, key in scores),
            _beside(row, rival, "fps", ".1f"),
            f"{row['device']}, {row['threads']}",
        ])
    return head, body


def full_precision(row: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The row of the full-precision tracker from the same folder of runs as `row`, if there is one.

    Checkpoints lie in FOLDER/RUN/; names do not tell, for runs of several folders may be called `fp`.
    """
    folder = _folder_of_runs(row)
    rivals = [other for other in rows if other["method"] == "fp" and _folder_of_runs(other) == folder]
    return rivals[0] if rivals and row["method"] != "fp" else None


def _folder_of_runs(row: dict[str, Any]) -> Path:
    return Path(row["checkpoint"]).resolve().parent.parent


def _beside(row: dict[str, Any], rival: dict[str, Any] | None, key: str, form: str) -> str:
    own = _number(row[key], form)
    return own if rival is None else f"{own} ({_number(rival[key], form)})"


def _number(value: float | None, form: str) -> str:
    if value is None:
        return "-"
    text = format(value, form)
    return text[1:] if text.startswith("0.") and form == ".3f" else text


def _fps(folder: Path, sequences: list[Sequence]) -> float | None:
    """Updates over their summed time: the mean of 1/t would reward uneven times."""
    updates = [results.read_times(folder, sequence)[1:] for sequence in sequences]
    seconds = sum(float(times.sum()) for times in updates)
    return sum(len(times) for times in updates) / seconds if seconds > 0 else None


@functools.cache
def _frame_size(path: Path) -> tuple[int, int]:
    height, width = images.read(path).shape[:2]
    return width, height
