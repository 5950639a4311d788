"""What an evaluation ends with: the report where the truth is published, else files for the benchmark's server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datasets.annotations import has_area
from datasets.errors import DataError
from datasets.sequence import Sequence
from eval import multi_start
from eval.dataset import Dataset
from eval.printing import full_precision, print_report
from eval.runner import Done
from eval.stored import read_stored
from eval.submission import write_submission
from eval.table import make_entry, rows, write_dataset, write_report

if TYPE_CHECKING:
    from eval.options import Options

_OF_ONE_RUN = "FAILED", "networks run "  # how such notes begin: of earlier runs they say nothing of the rows made now


def report(
    dataset: Dataset, sequences: list[Sequence], of: int, out: Path, options: Options, at_a_time: int | None,
    notes: list[str],
) -> None:
    """Score the result files, write and print the tables.

    Trackers that an earlier call has evaluated on the same sequences stay in the tables. Files of more sequences than
    these are left as they are. Sequences whose first true box has no area cannot be tracked by anybody, so they are
    not scored.

    Args:
        dataset: what `sequences` are from.
        sequences: those that were to be tracked.
        of: how many the dataset has.
        out: folder of the trackers' result folders; the report goes there.
        options: the user's.
        at_a_time: sequences that were tracked side by side, None where some were tracked by an earlier call.
        notes: further lines below the tables.
    """
    scored = [sequence for sequence in sequences if has_area(sequence.boxes[:1])[0]]
    names = {sequence.name for sequence in scored}
    own = [spec.name for spec in options.trackers]
    stored = read_stored(out)
    here = stored is not None and stored.is_of(dataset)
    known = set(stored.sequences) if stored and here else set()
    partial = known > names
    starts, entries = options.multi_start, []
    if stored and here and known == names:
        starts = starts or stored.multi_start
        entries = [make_entry(spec, out / spec.name, scored, dataset.rules, str(spec.device), threads, starts)
                   for spec, threads in stored.trackers(out) if spec.name not in own]
        # What that call could not find is still missing beside what it found; failures and forms are this call's.
        notes = list(dict.fromkeys([*(note for note in stored.notes if not note.startswith(_OF_ONE_RUN)), *notes]))
    elif stored and not partial:
        gone = [row["tracker"] for row in stored.rows if row["tracker"] not in own]
        if gone:
            notes = [*notes, f"Evaluated on other sequences before, not in this table: {', '.join(gone)}."]
    entries += [
        make_entry(spec, out / spec.name, scored, dataset.rules, spec.device or options.device, options.threads,
                   starts)
        for spec in options.trackers
    ]
    made = rows(entries, dataset.name, options.reference)
    lines = [
        f"{dataset.rules.rules}; sequences: {len(scored)} of {of}.",
        *(["In brackets: the full-precision tracker of the same folder of runs."]
          if any(full_precision(row, made) for row in made) else []),
        f"fps: frames over the summed time of update(), without decoding; device {options.device}, threads "
        f"{options.threads}" + (f", sequences at a time {at_a_time}." if at_a_time else "."),
        *([_about_starts(starts, scored)] if starts else []),
        *notes,
    ]
    if not partial:
        write_dataset(out, dataset, scored, starts, notes)
        write_report(entries, made, dataset.rules, out, dataset.name, lines)
    print_report(made, dataset.name, lines)
    print(f"{out}/: left as it is, for it is of {len(known)} sequences" if partial else
          f"{out}/: table.md, results.json, success.png, precision.png")


def _about_starts(starts: multi_start.Options, sequences: list[Sequence]) -> str:
    text = (f"Many starts: at every {starts.every}th frame, forward and backward, {starts.least} to {starts.length} "
            "frames; mean overlap of a run, mean over the runs of a target and over targets.")
    if any(multi_start.runs(sequence, starts) for sequence in sequences):
        return text
    return f"{text} No sequence has a run of {starts.least} frames."


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
