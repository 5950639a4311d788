"""What the `run_*.py` commands share: options, choice of trackers, progress, the report."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets.sequence import Sequence
    from eval.dataset import Dataset
    from eval.runner import Done, TrackerSpec
    from eval.table import Entry


@dataclass(frozen=True)
class Options:
    """What the user asked for, by the options that all commands have; None is the default."""

    trackers: list[TrackerSpec]
    work_dir: Path
    out: Path | None
    sequences: list[str] | None
    workers: int | None
    threads: int | None
    device: str
    overwrite: bool


def make_parser(usage: str) -> argparse.ArgumentParser:
    """A parser with the shared options; `usage` is the command's docstring."""
    parser = argparse.ArgumentParser(description=usage, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--work-dir", type=Path, default=Path("work_dirs"),
        help="evaluate every finished run below this folder (default: %(default)s)")
    add("--checkpoint", type=Path, action="append", metavar="FILE",
        help="evaluate this checkpoint instead of the runs of --work-dir; may be repeated")
    add("--out", type=Path, help="folder of the results (default: WORK_DIR/eval/DATASET)")
    add("--sequences", nargs="+", metavar="NAME", help="only these sequences")
    add("--workers", type=int,
        help="sequences at a time (default: one a core, at most 8; 1 on an accelerator)")
    add("--threads", type=int, help="torch threads a process (default: cores / workers)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1, ... (default: %(default)s)")
    add("--overwrite", action="store_true", help="discard earlier results of these trackers")
    return parser


def read_options(args: argparse.Namespace) -> Options:
    """Check the shared options and find the trackers.

    Raises:
        TrackerError: fewer than one worker or thread, a device that is not there, no tracker.
    """
    from tracker.device import require_device
    from tracker.errors import TrackerError

    for name in ("workers", "threads"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise TrackerError(f"--{name} {value}: must be at least 1")
    require_device(args.device)
    trackers = find_trackers(args.work_dir, args.checkpoint or [])
    return Options(
        trackers, args.work_dir, args.out, args.sequences, args.workers, args.threads, args.device,
        args.overwrite,
    )


def run_benchmark(dataset: Dataset, options: Options) -> int:
    """Evaluate the chosen trackers, write and print the report.

    Args:
        dataset: the benchmark's folder; sequences without published truth are tracked but not scored.
        options: the user's.

    Returns:
        Exit code: 1 if a sequence failed.

    Raises:
        TrackerError: a checkpoint cannot be loaded.
        DataError: unreadable dataset, unknown sequence, or a results folder that holds something else.
    """
    from eval import runner
    from eval.progress import sequence_bar
    from eval.table import make_entry, write_report

    trackers, benchmark, sequences = options.trackers, dataset.rules, dataset.sequences()
    chosen = _subset(sequences, options.sequences)
    out = options.out or options.work_dir / "eval" / dataset.name
    workers = options.workers or runner.default_workers(options.device)
    threads = options.threads or max(runner.cores() // workers, 1)
    settings = runner.Settings(
        dataset.name, benchmark.curves.origin, workers, options.device, threads, options.overwrite
    )
    with sequence_bar(len(trackers) * len(chosen), benchmark, out) as on_done:
        failed = runner.evaluate(trackers, chosen, out, settings, on_done)

    if all(len(sequence.boxes) == len(sequence) for sequence in chosen):
        entries = [
            make_entry(spec, out / spec.name, chosen, benchmark, options.device, threads) for spec in trackers
        ]
        notes = [f"{entries[0].protocol} of {len(sequences)}.",
                 "In brackets: the full-precision tracker of the same folder of runs.",
                 f"fps: frames over the summed time of update(), without decoding; {workers} at a time."]
        notes += _failures(failed)
        write_report(entries, out, dataset.name, notes)
        _print_report(entries, dataset.name, notes)
        print(f"{out}/: table.md, results.json, success.png, precision.png")
    else:
        print("\n".join(_failures(failed)))
        print(f"{out}/: result files only; {dataset.name} publishes first boxes only, so nothing is scored")
    return 1 if failed else 0


def find_trackers(work_dir: Path, checkpoints: list[Path]) -> list[TrackerSpec]:
    """The checkpoints asked for, or else every finished run of the work folder.

    A checkpoint in its run directory takes the run's name and facts, any other the name of its file.

    Raises:
        TrackerError: there is none, or two would have the same name.
    """
    from eval.runner import checkpoint_spec
    from tracker.errors import TrackerError
    from tracker.online import load_tracker
    from tracker.runs import find_runs

    if not checkpoints:
        runs = find_runs(work_dir)
        if not runs:
            raise TrackerError(
                f"no trained tracker (summary.json beside checkpoint.pth) below {work_dir}; "
                "train one with tools/train_tracker.py, or name a file with --checkpoint"
            )
        return [checkpoint_spec(run.name, run.checkpoint, load_tracker, run.summary) for run in runs]
    trackers = []
    for path in checkpoints:
        if not path.is_file():
            raise TrackerError(f"--checkpoint {path}: no such file")
        own_run = [run for run in find_runs(path.parent) if run.checkpoint.samefile(path)]
        name, summary = (own_run[0].name, own_run[0].summary) if own_run else (path.stem, {})
        trackers.append(checkpoint_spec(name, path, load_tracker, summary))
    for name, count in Counter(spec.name for spec in trackers).items():
        if count > 1:
            raise TrackerError(
                f"--checkpoint: {count} files would be called {name!r}; evaluate them with different --out"
            )
    return trackers


def _subset(sequences: list[Sequence], names: list[str] | None) -> list[Sequence]:
    from datasets.errors import DataError

    if names is None:
        return sequences
    known = {sequence.name: sequence for sequence in sequences}
    for name in names:
        if name not in known:
            raise DataError(f"--sequences {name}: no such sequence; there are {_some(list(known), 5)}")
    return [known[name] for name in dict.fromkeys(names)]


def _failures(failed: list[Done]) -> list[str]:
    """A line for each tracker and reason, with the sequences that failed for it."""
    sequences: dict[tuple[str, str], list[str]] = {}
    for done in failed:
        sequences.setdefault((done.spec.name, str(done.error)), []).append(done.sequence.name)
    return [f"FAILED: {tracker} on {len(names)} ({_some(names, 3)}): {error}"
            for (tracker, error), names in sequences.items()]


def _some(names: list[str], count: int) -> str:
    return ", ".join(names[:count] + ["..."] * (len(names) > count))


def _print_report(entries: list[Entry], title: str, notes: list[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from eval.table import table

    head, body = table(entries)
    shown = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for index, name in enumerate(head):
        shown.add_column(name.replace(" ", "\n"), justify="left" if index < 2 else "right")
    for cells in body:
        # The value to compare with goes below, so that the table fits a terminal.
        shown.add_row(*(cell.replace(" (", "\n(") for cell in cells))
    console = Console()
    # Rather let a narrow terminal wrap than cut figures off.
    console.width = max(console.width, Console(width=1000).measure(shown).maximum)
    console.print(shown)
    for note in notes:
        console.print(note, markup=False, highlight=False)
