"""The result folder of one tracker: boxes and times of each sequence, and whose they are.

`<sequence>.txt` has `x,y,w,h` a line in the benchmark's own base, `<sequence>_time.txt` seconds a line: the
first for `init`, the others for `update`, `<sequence>_confidence.value` the scores, the name that the VOT toolkit gives
them; NaN where there is none. `meta.json` knows the checkpoint by its hash. What other ways to run add
lies in folders below (see `eval.multi_start`).
"""

from __future__ import annotations

import json
import platform
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from datasets.annotations import read_boxes
from datasets.errors import DataError
from datasets.files import write_text
from datasets.sequence import Sequence

META = "meta.json"
MULTI_START = "multi_start"
"""Folder of the results that `eval.multi_start` makes."""


@dataclass(frozen=True)
class Meta:
    """What the results of a folder were made with."""

    checkpoint: str
    sha256: str
    dataset: str
    root: str
    origin: int
    device: str
    threads: int
    torch: str
    host: str


def describe(source: str, sha256: str, dataset: str, root: str, origin: int, device: str, threads: int) -> Meta:
    """Describe the results that this machine is about to make."""
    import torch

    return Meta(source, sha256, dataset, root, origin, device, threads, torch.__version__, platform.node())


def prepare(folder: Path, meta: Meta, overwrite: bool = False) -> None:
    """Make `folder` hold results of `meta` only.

    Results of another checkpoint are removed, so that they are made anew.

    Raises:
        DataError: the folder holds results of the same checkpoint on another dataset or other images, device or
            thread count, or cannot be written.
    """
    known = _read_meta(folder / META)
    if known is not None and known.get("sha256") == meta.sha256 and not overwrite:
        for option in ("dataset", "root", "origin", "device", "threads"):
            wanted = asdict(meta)[option]
            had = known.get(option, wanted)  # older results do not say all of it
            if had != wanted:
                same = f"ask for the same (--{option} {had})" if option in ("device", "threads") else "ask for the same"
                raise DataError(f"{folder}: holds results with {option} {had}, not {wanted}; {same}, choose another "
                                "--out, or pass --overwrite")
    try:
        if known is None or known.get("sha256") != meta.sha256 or overwrite:
            _clear(folder)
        write_text(folder / META, json.dumps(asdict(meta), indent=2) + "\n")
    except OSError as error:
        raise DataError(f"{folder}: results cannot be written here ({error.strerror})") from error


def has_owner(folder: Path, sha256: str) -> bool:
    """Whether the folder is for results of this hash."""
    return (_read_meta(folder / META) or {}).get("sha256") == sha256


def require_owner(folder: Path, sha256: str) -> None:
    """Refuse to write into a folder that has been given to another checkpoint since.

    Raises:
        DataError: the folder is not, or no longer, for results of this hash.
    """
    if not has_owner(folder, sha256):
        raise DataError(f"{folder}: taken by another evaluation, of another checkpoint; choose another --out")


def write_track(folder: Path, sequence: Sequence, boxes: np.ndarray, times: np.ndarray, origin: int,
                scores: np.ndarray | None = None) -> None:
    """Write boxes (N, 4), 0-based, in the benchmark's base, times (N,) in seconds, and scores (N,).

    The boxes come last: where they are, the sequence is done.
    """
    rows = boxes + np.array([origin, origin, 0, 0])
    if scores is not None:
        write_text(_score_file(folder, sequence.name), "".join(f"{score:.6f}\n" for score in scores))
    write_text(_time_file(folder, sequence.name), "".join(f"{seconds:.6f}\n" for seconds in times))
    write_text(_box_file(folder, sequence.name),
               "".join(",".join(f"{value:.4f}" for value in row) + "\n" for row in rows))


def is_done(folder: Path, sequence: Sequence, origin: int) -> bool:
    """Whether `folder` has all of a sequence: one box and time a frame, the first box being the true one."""
    try:
        boxes = read_boxes(_box_file(folder, sequence.name), origin)
        times = read_times(folder, sequence)
    except DataError:
        return False
    return len(boxes) == len(times) == len(sequence) and np.allclose(boxes[0], sequence.boxes[0], atol=1e-3)


def read_track(folder: Path, sequence: Sequence, origin: int) -> np.ndarray:
    """The boxes of a sequence, (N, 4), 0-based.

    Raises:
        DataError: the file is missing or malformed.
    """
    return read_boxes(_box_file(folder, sequence.name), origin)


def read_times(folder: Path, sequence: Sequence) -> np.ndarray:
    """Seconds of `init` and each `update`, (N,).

    Raises:
        DataError: the file is missing or malformed.
    """
    path = _time_file(folder, sequence.name)
    try:
        return np.array([float(line) for line in path.read_text().split()])
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot read times ({error})") from error


def read_scores(folder: Path, sequence: Sequence) -> np.ndarray | None:
    """The tracker's scores, (N,), the first NaN; None where it gave none, or results are of before they were kept."""
    try:
        scores = np.array([float(line) for line in _score_file(folder, sequence.name).read_text().split()])
    except (OSError, ValueError):
        return None
    return scores if len(scores) == len(sequence) and np.isfinite(scores[1:]).all() else None


def _box_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.txt"


def _time_file(folder: Path, name: str) -> Path:
    return folder / f"{name}_time.txt"


def _score_file(folder: Path, name: str) -> Path:
    return folder / f"{name}_confidence.value"


def _read_meta(path: Path) -> dict[str, object] | None:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _clear(folder: Path) -> None:
    """Remove what was written about sequences; other folders below may be other trackers'."""
    if (folder / MULTI_START).is_dir():
        shutil.rmtree(folder / MULTI_START)
    for scores in folder.glob("*_confidence.value"):
        scores.unlink()
    for times in folder.glob("*_time.txt"):
        times.with_name(times.name.removesuffix("_time.txt") + ".txt").unlink(missing_ok=True)
        times.unlink()
