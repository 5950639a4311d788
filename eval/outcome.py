"""What an evaluation ends with: the report where the truth is published, else files for the benchmark's server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datasets.errors import DataError
from datasets.sequence import Sequence
from eval.dataset import Dataset
from eval.printing import print_report
from eval.runner import Done
from eval.submission import write_submission
from eval.table import make_entry, write_dataset, write_report

if TYPE_CHECKING:
    from eval.options import Options


def report(
    dataset: Dataset, sequences: list[Sequence], of: int, out: Path, options: Options, at_a_time: int, notes: list[str]
) -> None:
    """Score the result files, write and print the tables.

    Args:
        dataset: what `sequences` are from.
        sequences: those that were to be tracked.
        of: how many the dataset has.
        out: folder of the trackers' result folders; the report goes there.
        options: the user's.
        at_a_time: sequences that were tracked side by side.
        notes: further lines below the tables.
    """
    starts = options.multi_start
    entries = [
        make_entry(spec, out / spec.name, sequences, dataset.rules, spec.device or options.device, options.threads,
                   starts)
        for spec in options.trackers
    ]
    lines = [
        f"{entries[0].protocol} of {of}.",
        "In brackets: the full-precision tracker of the same folder of runs, where there is one.",
        f"fps: frames over the summed time of update(), without decoding; device {options.device}, threads "
        f"{options.threads}, sequences at a time {at_a_time}.",
    ]
    if starts:
        lines.append(f"Many starts: at every {starts.every}th frame, forward and backward, {starts.least} to "
                     f"{starts.length} frames; mean overlap of a run, mean over the runs of a target and over targets.")
    lines += notes
    write_dataset(out, dataset, sequences, starts)
    rows = write_report(entries, dataset.rules, out, dataset.name, lines, options.reference)
    print_report(rows, dataset.name, lines)
    print(f"{out}/: table.md, results.json, success.png, precision.png")


def submit(dataset: Dataset, sequences: list[Sequence], out: Path, options: Options, notes: list[str]) -> None:
    """Pack the result files for the benchmark's server, and print where they are or why they are not."""
    for note in notes:
        print(note)
    print(f"{out}/: result files only; {dataset.name} publishes first boxes only, so nothing is scored")
    for spec in options.trackers:
        archive = out / f"{spec.name}.zip"
        try:
            write_submission(out / spec.name, dataset, sequences, archive)
        except DataError as error:
            print(f"no submission: {error}")
        else:
            print(f"submission: {archive}")


def failures(failed: list[Done]) -> list[str]:
    """A line for each tracker and reason, with the sequences that failed for it."""
    sequences: dict[tuple[str, str], list[str]] = {}
    for done in failed:
        sequences.setdefault((done.task.spec.name, str(done.error)), []).append(done.task.sequence.name)
    return [f"FAILED: {tracker} on {len(names)} ({some(names, 3)}): {error}"
            for (tracker, error), names in sequences.items()]


def some(names: list[str], count: int) -> str:
    """The first so many names, and dots where there are more."""
    return ", ".join(names[:count] + ["..."] * (len(names) > count))
