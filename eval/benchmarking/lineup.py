"""Who races, from what the command line names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from b2nn.errors import B2nnError
from eval.benchmarking.contestants import (
    Contestant,
    Trained,
    deployed,
    load_trained,
    nanotracks,
    other_runtimes,
    packed,
    simulated,
)
from eval.benchmarking.footage import Footage
from tracker.errors import TrackerError
from tracker.form import form_of
from tracker.runs import find_runs


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """A name for each file: its run's folder if it is called ``checkpoint``, with as much of the path as is needed."""
    parts = [(path.parent if path.stem == "checkpoint" else path.with_suffix("")).resolve().parts for path in paths]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    raise TrackerError(f"--checkpoint: {paths[0]} or another file is named twice")


def load_all(paths: Sequence[Path]) -> tuple[list[Trained], list[Contestant]]:
    """Networks of checkpoints, and contestants of packed files and folders of ONNX graphs.

    Raises:
        CheckpointError: a file that holds no tracker.
    """
    trained, files = [], []
    for name, path in zip(distinct_names(paths), paths, strict=True):
        if form_of(path, packed=False) != "torch":
            files.append(deployed(name, path))
        else:
            trained.append(load_trained(name, path))
    return trained, files


def line_up(trained: Sequence[Trained], files: Sequence[Contestant], footage: Footage, work: Path,
            nanotrack: Path | None, report: Callable[[str], None]) -> tuple[list[Contestant], list[str]]:
    """All contestants, first that whose time all others are divided by; and a line for each that cannot race here.

    Args:
        trained: networks; the first one in full precision is the reference.
        files: contestants that are ready.
        report: called with the name of what is being made.

    Raises:
        TrackerError: none of the networks is in full precision.
    """
    reference = next((one for one in trained if one.full_precision), None)
    if reference is None:
        raise TrackerError("none of the checkpoints is in full precision; add the one whose times all others are "
                           "divided by with --checkpoint")
    made, notes = [], []
    for one in sorted(trained, key=lambda one: one is not reference):
        report(one.name)
        made.append(simulated(one))
        if one is reference:
            others, missing = other_runtimes(one, footage, work)
            made += others
            notes += missing
        try:
            made += packed(one, footage)
        except B2nnError as error:
            notes.append(f"Left out: {one.name}, packed: {error}.")
    made += files
    if nanotrack:
        peers, missing = nanotracks(nanotrack)
        made += peers
        notes += missing
    return made, notes


def finished_runs(work_dir: Path) -> list[Path]:
    """The checkpoints of all finished runs below a folder.

    Raises:
        TrackerError: there is none.
    """
    runs = find_runs(work_dir)
    if not runs:
        raise TrackerError(f"no trained tracker (summary.json beside checkpoint.pth) below {work_dir}; train one, name "
                           "files with --checkpoint, or time untrained networks with --random-plans")
    return [run.checkpoint for run in runs]
