"""Raw result files of trackers, wherever they are from, joined with the ground truth.

A tracker is a folder of ``SEQ.txt``, or of ``SEQ/SEQ_001.txt``, ``SEQ/SEQ_002.txt``, ... as GOT-10k's toolkit repeats
runs; ``*_time.txt`` are times. Nothing is skipped in silence: what does not fit is a problem, what fits but should be
known is a remark, both as `Finding`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from datasets.annotations import has_area, read_boxes_with_gaps
from datasets.errors import DataError
from eval.ground_truth import Truth
from eval.metrics import Track

MISSING = "no results, left out of the mean"
UNREADABLE = "no readable row, left out like a missing one"
ROWS = "another length: the last row fills a short file, a long one is cut"
GAPS = "unreadable rows, scored as invalid boxes"
EXTRA = "no such sequence in the ground truth, not scored"

HEADER = "a first line that is no box, skipped"
INVALID = "boxes that are not finite or without area"


@dataclass(frozen=True)
class Finding:
    """A problem or a remark: `kind` says what, such as the constants above, `where` is a sequence or a file."""

    kind: str
    where: str
    detail: str = ""

    @property
    def place(self) -> str:
        """Where it is, and more precisely what."""
        return f"{self.where} ({self.detail})" if self.detail else self.where


@dataclass
class ResultFolder:
    """The result files of one tracker.

    Attributes:
        name: path of its folder below the one that was searched, or that folder's own name.
        folder: where it lies.
        files: of each sequence, by its name in the ground truth; several where runs were repeated.
        extra: files with boxes that belong to no sequence.
    """

    name: str
    folder: Path
    files: dict[str, list[Path]] = field(default_factory=dict)
    extra: list[Path] = field(default_factory=list)


def same_names(names: Iterable[str]) -> Callable[[str], str | None]:
    """A function from a name as somebody writes it to the one of `names` that is meant, or None.

    Case is ignored, and ``Jogging-1``, ``Jogging.1`` and ``jogging_1`` are the same, unless the name is there exactly.
    The function raises DataError if two names could be meant.
    """
    known: dict[str, list[str]] = {}
    for name in names:
        known.setdefault(_plain(name), []).append(name)

    def find(text: str) -> str | None:
        meant = known.get(_plain(text), [])
        if text in meant or len(meant) < 2:
            return text if text in meant else next(iter(meant), None)
        raise DataError(f"{text}: could be {' or '.join(meant)}; rename it")

    return find


def find_results(root: Path, names: list[str]) -> list[ResultFolder]:
    """The trackers below `root`, sorted by name: the folders with boxes, for sequences called `names` or others.

    Raises:
        DataError: no such folder, no tracker in it, or two files for one sequence.
    """
    if not root.is_dir():
        raise DataError(f"{root}: results folder not found")
    find, found = same_names(names), dict[Path, ResultFolder]()
    for file in _text_files(root):
        repeated = re.fullmatch(r"(.+)_\d{3,}", file.stem)
        run = repeated is not None and repeated[1] == file.parent.name
        folder = file.parent.parent if run and file.parent != root else file.parent
        tracker = found.setdefault(folder, ResultFolder(_name(folder, root), folder))
        sequence = find(file.parent.name if run else file.stem)
        if sequence is not None:
            tracker.files.setdefault(sequence, []).append(file)
        elif _holds_boxes(file):
            tracker.extra.append(file)
    if not any(tracker.files for tracker in found.values()):
        raise DataError(f"{root}: no result file is named like a sequence of the ground truth, such as "
                        f"{names[0]}.txt; nothing to score")
    for tracker in found.values():
        _refuse_rivals(tracker)
    trackers = [tracker for tracker in found.values() if tracker.files or tracker.extra]
    return sorted(trackers, key=lambda tracker: tracker.name.lower())


def read_tracks(
    results: ResultFolder, truths: list[Truth], origin: int, frame_sizes: dict[str, tuple[int, int] | None]
) -> tuple[list[Track], list[Finding], list[Finding]]:
    """Join a tracker's files with the truth, as far as they go.

    Args:
        results: its files.
        truths: the sequences to score; files of others are left alone.
        origin: base of the result files, 0 or 1.
        frame_sizes: width and height by sequence, where they are known.

    Returns:
        A track a file, one predicted box a true one; problems: what did not fit; remarks: of the kinds `HEADER` and
        `INVALID`.
    """
    tracks, remarks = [], list[Finding]()
    problems = [Finding(EXTRA, _place(file, results)) for file in results.extra]
    for truth in truths:
        files = results.files.get(truth.name, [])
        if not files:
            problems.append(Finding(MISSING, truth.name))
        for file in files:
            boxes, wrong, odd = _read_boxes(file, truth, origin)
            problems += [Finding(kind, _place(file, results), detail) for kind, detail in wrong]
            remarks += [Finding(kind, _place(file, results), detail) for kind, detail in odd]
            if boxes is not None:
                visible = np.ones(len(truth.boxes), dtype=bool) if truth.visible is None else truth.visible
                tracks.append(Track(truth.name, boxes, truth.boxes, visible, frame_sizes.get(truth.name)))
    return tracks, problems, remarks


_Kinds = list[tuple[str, str]]


def _read_boxes(file: Path, truth: Truth, origin: int) -> tuple[np.ndarray | None, _Kinds, _Kinds]:
    """The boxes (N, 4) of a result file, None where it has none, and kind and detail of problems and of remarks."""
    try:
        boxes, gaps = read_boxes_with_gaps(file, origin)
    except DataError as error:
        return None, [(UNREADABLE, str(error).removeprefix(f"{file}: "))], []
    if len(gaps) == len(boxes):
        return None, [(UNREADABLE, f"no boxes in {len(boxes)} rows{_numbers(file, gaps)}" if gaps else "empty")], []
    frames = len(truth.boxes)
    problems, remarks = _Kinds(), _Kinds()
    header = len(boxes) == frames + 1 and gaps[:1] == [1]
    if header:
        boxes, gaps = boxes[1:], gaps[1:]
        remarks.append((HEADER, ""))
    if gaps:
        lines = ", ".join(map(str, gaps[:3])) + (", ..." if len(gaps) > 3 else "")
        problems.append((GAPS, f"{len(gaps)}: line{'s' * (len(gaps) > 1)} {lines}{_numbers(file, gaps)}"))
    if len(boxes) != frames:
        problems.append((ROWS, f"{len(boxes)} rows for {frames} frames"))
    invalid = _invalid_rows(boxes[:frames], truth) - {line - 1 - header for line in gaps}
    if invalid:
        remarks.append((INVALID, f"{len(invalid)} of {min(len(boxes), frames)}"))
    missing = max(frames - len(boxes), 0)
    return np.vstack([boxes[:frames], np.repeat(boxes[-1:], missing, axis=0)]), problems, remarks


def _invalid_rows(boxes: np.ndarray, truth: Truth) -> set[int]:
    """Those of the first rows (M, 4) of a result that are no boxes although there is a true one to find."""
    shown = has_area(truth.boxes)
    if truth.visible is not None:
        shown &= truth.visible
    shown[0] = False  # given to the tracker: no benchmark's own rule reads the row
    return set(np.flatnonzero(shown[:len(boxes)] & ~has_area(boxes)).tolist())


def _numbers(file: Path, lines: list[int]) -> str:
    """How many numbers the first of these unreadable lines has that has too many, such as a box and a score."""
    rows = file.read_text(encoding="utf-8-sig").splitlines()
    for line in lines:
        try:
            count = len([float(text) for text in re.findall(r"[^\s,;]+", rows[line - 1])])
        except ValueError:
            continue
        if count > 4:
            return f"; line {line} has {count} numbers, not four"
    return ""


def _text_files(root: Path) -> list[Path]:
    """All of them but times, also behind links to folders."""
    files, seen = [], set()
    for folder, below, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        files += [Path(folder, name) for name in names if name.endswith(".txt") and not name.endswith("_time.txt")]
    return sorted(files)


def _holds_boxes(file: Path) -> bool:
    """Tells results of an unknown sequence from a README."""
    try:
        boxes, gaps = read_boxes_with_gaps(file)
    except DataError:
        return False
    return len(gaps) < len(boxes)


def _name(folder: Path, root: Path) -> str:
    return root.resolve().name if folder == root else folder.relative_to(root).as_posix()


def _place(file: Path, results: ResultFolder) -> str:
    return file.relative_to(results.folder).as_posix()


def _plain(name: str) -> str:
    return re.sub(r"[-._\s]+", "-", name).lower()


def _refuse_rivals(tracker: ResultFolder) -> None:
    """Several files of a sequence are fine as repeated runs in its own folder only."""
    for sequence, files in tracker.files.items():
        exact = [file for file in files if file.stem == sequence]
        if exact:
            tracker.extra += [file for file in files if file not in exact]
            tracker.files[sequence] = exact
        elif len(files) > 1 and any(file.parent == tracker.folder for file in files):
            names = " and ".join(_place(file, tracker) for file in files)
            raise DataError(f"{tracker.folder}: {names} could both be {sequence}; remove one")
