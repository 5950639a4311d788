"""The command line that makes results again."""

from __future__ import annotations

import shlex
from pathlib import Path

from eval.dataset import Dataset
from eval.reporting.gather import Evaluation


def command(evaluation: Evaluation) -> str:
    """The call of `eval/run_*.py` with the dataset, trackers and options of an evaluation; empty where it is not known
    what that was made on.
    """
    if evaluation.dataset is None:
        return ""
    row = evaluation.results[0].row
    words = ["python", f"eval/run_{evaluation.dataset.benchmark}.py", *_data(evaluation.dataset)]
    if evaluation.partial:
        words += ["--sequences", *(sequence.name for sequence in evaluation.sequences)]
    words += _trackers(evaluation)
    if starts := evaluation.starts:
        words += ["--multi-start", "--start-every", str(starts.every), "--run-frames", str(starts.length),
                  "--least-frames", str(starts.least)]
    words += ["--device", str(row.get("device")), "--threads", str(row.get("threads"))]
    return shlex.join([*words, "--out", str(evaluation.folder)])


def _data(dataset: Dataset) -> list[str]:
    """The options that name a dataset; they are not the same in all commands."""
    if dataset.name == f"synthetic-{dataset.split}":
        return ["--split", dataset.split]
    root = ["--got10k" if dataset.benchmark == "got10k" else "--root", str(dataset.root)]
    if dataset.split == "all" and dataset.benchmark != "lasot":
        return root
    if dataset.benchmark == "uav123":
        return [*root, *(["--long"] if dataset.split == "20l" else ["--fps", dataset.split.removesuffix("fps")])]
    return [*root, "--subset" if dataset.benchmark == "otb" else "--split", dataset.split]


def _trackers(evaluation: Evaluation) -> list[str]:
    """The options that name the trackers: one folder of runs where all lie in one, or else their files."""
    rows = [one.row for one in evaluation.results]
    peers = [row for row in rows if row.get("method") == "peer"]
    own = [(str(row["checkpoint"]), f"/{row['tracker']}/checkpoint.pth") for row in rows if row not in peers]
    folders = {path.removesuffix(tail) if path.endswith(tail) else None for path, tail in own}
    folder = folders.pop() if len(folders) == 1 else None
    words = ["--work-dir", folder] if folder else [word for path, _ in own for word in ("--checkpoint", path)]
    if peers:
        words += ["--peers", ",".join(str(row["tracker"]) for row in peers)]
        words += [] if own else ["--peers-only"]
    files = [Path(str(row["checkpoint"]).split(" + ")[0]) for row in peers if row["tracker"].startswith("nanotrack")]
    return words + (["--nanotrack", str(files[0].parent)] if files else [])
