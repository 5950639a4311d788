"""From result files to scores, and from scores to `results.json`, `table.md` and the plots."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence as Sequences
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from datasets import images
from datasets.files import write_text
from datasets.sequence import Sequence
from eval import multi_start, results
from eval.belief import Belief, believe, judge
from eval.dataset import Dataset
from eval.metrics import BenchmarkScores, Track, score
from eval.plots import Curve, plot_precision, plot_success
from eval.printing import beliefs, full_precision, other_rules, several_starts, whole_table
from eval.protocols import Benchmark
from eval.runner import TrackerSpec


@dataclass(frozen=True, eq=False)
class Entry:
    """One tracker on one benchmark.

    Attributes:
        spec: the tracker.
        overlap, curves: scores under the benchmark's two rules, None where a sequence is missing: scores over
            fewer sequences would not compare.
        others: scores under the benchmark's other rules; empty where a sequence is missing.
        fps: `update` calls over their summed time, without decoding; None without any.
        device, threads: what `fps` was measured on.
        protocol: names of the rules, and how many sequences were scored.
        starts: each target's score from many starts, by sequence; None where it was not asked for or is incomplete.
        runs: how many runs these were.
        belief: what its score is worth; None where it has none, or a sequence is missing.
    """

    spec: TrackerSpec
    overlap: BenchmarkScores | None
    curves: BenchmarkScores | None
    others: tuple[BenchmarkScores, ...]
    fps: float | None
    device: str
    threads: int
    protocol: str
    starts: dict[str, float] | None = None
    runs: int = 0
    belief: Belief | None = None

    def row(self) -> dict[str, Any]:
        """The entry as a row of `results.json`; what compares it with other entries is added by `rows`."""
        facts = ("method", "budget", "flops_ratio", "counted_flops", "fp_flops", "params_1bit", "params_32bit", "seed",
                 "form")
        return _without_nan({
            "tracker": self.spec.name,
            **{key: self.spec.summary.get(key) for key in facts},
            "bytes": _stored_bytes(self.spec.summary),
            "ao": self.overlap and self.overlap.ao,
            "sr50": self.overlap and self.overlap.sr50,
            "sr75": self.overlap and self.overlap.sr75,
            "success": self.curves and self.curves.success,
            "precision": self.curves and self.curves.precision,
            "norm_precision": self.curves and self.curves.norm_precision,
            "others": [_without_nan({
                "protocol": scores.protocol, "success": scores.success, "precision": scores.precision,
                "norm_precision": scores.norm_precision,
            }) for scores in self.others],
            "multi_start_ao": sum(self.starts.values()) / len(self.starts) if self.starts else None,
            "multi_start_targets": None if self.starts is None else len(self.starts),
            "multi_start_runs": None if self.starts is None else self.runs,
            "score_auc": self.belief and self.belief.auc,
            "reappearances": self.belief and self.belief.reappearances,
            "found_again": self.belief and self.belief.found,
            "fps": self.fps,
            "device": self.device,
            "threads": self.threads,
            "checkpoint": self.spec.source,
            "sha256": self.spec.sha256,
            "protocol": self.protocol,
        })


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
    threads: int, starts: multi_start.Options | None = None,
) -> Entry:
    """Score one tracker from its result folder.

    Args:
        starts: score the runs from many starts as well.
    """
    origin = benchmark.curves.origin
    done = [sequence for sequence in sequences if results.is_done(folder, sequence, origin)]
    complete = len(done) == len(sequences)
    tracks = read_tracks(folder, sequences, origin) if complete else []
    entry = Entry(
        spec,
        score(benchmark.overlap, tracks) if complete else None,
        score(benchmark.curves, tracks) if complete else None,
        tuple(score(rule, tracks) for rule in benchmark.others) if complete else (),
        _fps(folder, done),
        device,
        threads,
        f"{benchmark.rules}; {len(sequences)} sequences",
        belief=_belief(folder, sequences, origin) if complete else None,
    )
    if starts is None or not all(multi_start.is_done(folder, sequence, starts) for sequence in sequences):
        return entry
    return replace(entry, starts=multi_start.target_scores(folder, sequences, starts),
                   runs=sum(len(multi_start.runs(sequence, starts)) for sequence in sequences))


def _belief(folder: Path, sequences: Sequences[Sequence], origin: int) -> Belief | None:
    judged = []
    for sequence in sequences:
        scores = results.read_scores(folder, sequence)
        if scores is None:
            return None
        boxes = results.read_track(folder, sequence, origin)
        judged.append(judge(boxes, scores, sequence.boxes, sequence.visible))
    return believe(judged)


def rows(entries: Sequences[Entry], dataset: str, reference: str | None = None) -> list[dict[str, Any]]:
    """The rows of `results.json`, one an entry.

    Args:
        dataset: name of what was evaluated.
        reference: the tracker whose multi-start score the others' is compared with; None: the full-precision tracker
            of the same folder of runs, or else the first tracker.
    """
    made = [{**entry.row(), "dataset": dataset} for entry in entries]
    starts = {entry.spec.name: entry.starts for entry in entries}
    for row in made:
        rival = full_precision(row, made)
        other = reference or (rival or made[0])["tracker"]
        own, others = starts[row["tracker"]], starts[other]
        found = None
        if own is not None and others is not None and other != row["tracker"]:
            found = multi_start.difference(own, others)
        row |= {
            "multi_start_reference": other if found else None,
            "multi_start_difference": found and found.mean,
            "multi_start_stderr": found and found.stderr,
        }
    return made


def write_report(
    entries: Sequences[Entry], made: Sequences[dict[str, Any]], benchmark: Benchmark, out: Path, title: str,
    notes: Sequences[str],
) -> None:
    """Write `results.json`, `table.md`, `success.png` and `precision.png` into `out`.

    Args:
        entries: one a tracker.
        made: their `rows`.
        benchmark: the rules that they were scored by.
        title: name of what was evaluated, for the heads of table and plots.
        notes: lines below the table.
    """
    write_text(out / "results.json", json.dumps(made, indent=2, allow_nan=False) + "\n")
    tables = [whole_table(made), *other_rules(made), *several_starts(made), *beliefs(made)]
    parts = [f"# {title}", *(table.markdown() for table in tables), "\n".join(f"- {note}" for note in notes)]
    write_text(out / "table.md", "\n\n".join(parts) + "\n")
    scored = [(entry.spec.name, entry.curves) for entry in entries
              if entry.curves is not None and not math.isnan(entry.curves.success)]
    if scored:
        rule, at = benchmark.curves.name, benchmark.curves.precision_at
        mark = None if at == "area" else at
        read = "area under the curve" if mark is None else f"at {mark:g} px"
        plot_success([Curve(name, scores.success_curve, scores.success) for name, scores in scored],
                     out / "success.png", f"{title}: success\n({rule}, area under the curve)")
        plot_precision([Curve(name, scores.precision_curve, scores.precision) for name, scores in scored],
                       out / "precision.png", f"{title}: precision\n({rule}, {read})", mark)


def write_dataset(
    out: Path, dataset: Dataset, sequences: Sequences[Sequence], starts: multi_start.Options | None,
    notes: Sequences[str] = (),
) -> None:
    """Write `dataset.json`: what was evaluated, so that frames and truth are found again.

    Its keys are the fields of `Dataset`, the names of the `sequences`, the options of `multi_start` (null without) and
    `notes`, lines about what is missing.
    """
    content = asdict(dataset) | {
        "root": str(dataset.root.resolve()),
        "sequences": [sequence.name for sequence in sequences],
        "multi_start": starts and asdict(starts),
        "notes": list(notes),
    }
    write_text(out / "dataset.json", json.dumps(content, indent=2) + "\n")


def _without_nan(values: dict[str, Any]) -> dict[str, Any]:
    """What could not be scored is null in a file, not the NaN that JSON lacks."""
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in values.items()}


def _stored_bytes(summary: dict[str, Any]) -> int | None:
    """Bytes of a packed file, or of the parameters, a bit or 4 bytes each; None where they are not known."""
    if summary.get("bytes") is not None:
        return int(summary["bytes"])
    bits, floats = summary.get("params_1bit"), summary.get("params_32bit")
    return None if bits is None or floats is None else math.ceil(bits / 8) + 4 * floats


def _fps(folder: Path, sequences: list[Sequence]) -> float | None:
    """Updates over their summed time: the mean of 1/t would reward uneven times."""
    updates = [results.read_times(folder, sequence)[1:] for sequence in sequences]
    seconds = sum(float(times.sum()) for times in updates)
    return sum(len(times) for times in updates) / seconds if seconds > 0 else None


@functools.cache
def _frame_size(path: Path) -> tuple[int, int]:
    height, width = images.read(path).shape[:2]
    return width, height
