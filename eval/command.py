"""What the `run_*.py` commands do: tracking over processes and ranks, then the report."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets.sequence import Sequence
    from eval.dataset import Dataset
    from eval.options import Options
    from eval.ranks import Ranks
    from eval.runner import Done, Settings


def run_benchmark(dataset: Dataset, options: Options) -> int:
    """Evaluate the chosen trackers, write and print the report.

    Among several ranks of `torchrun` the first one reports, the others stay silent.

    Args:
        dataset: the benchmark's folder; sequences without published truth are tracked but not scored.
        options: the user's.

    Returns:
        Exit code: 1 if a sequence failed.

    Raises:
        TrackerError: a checkpoint cannot be loaded.
        DataError: unreadable dataset, unknown sequence, a results folder that holds something else or cannot be
            written, or another rank has died.
    """
    from datasets.errors import DataError
    from eval import ranks, runner
    from eval.outcome import failures, report, submit

    sequences = dataset.sequences()
    if not sequences:
        raise DataError(f"{dataset.root}: no sequences")
    chosen = _subset(sequences, options.sequences)
    scored = all(len(sequence.boxes) == len(sequence) for sequence in chosen)
    if options.multi_start and not scored:
        raise DataError(f"--multi-start: {dataset.name} publishes first boxes only; nothing could be scored")
    out = options.out or options.work_dir / "eval" / dataset.name
    settings = runner.Settings(dataset.name, dataset.rules.curves.origin, options.workers, options.device,
                               options.threads, options.overwrite, options.multi_start,
                               str(dataset.root.resolve()))
    with ranks.joined() as these:
        failed, fresh = _track(dataset, chosen, out, settings, options, these)
        if these.number > 0:
            return 0
    notes = [*options.notes, *failures(failed)]
    if scored:
        report(dataset, chosen, len(sequences), out, options, options.workers * these.count if fresh else None, notes)
    else:
        submit(dataset, sequences, out, options, notes)
    return 1 if failed else 0


def _track(
    dataset: Dataset, sequences: list[Sequence], out: Path, settings: Settings, options: Options, ranks: Ranks
) -> tuple[list[Done], bool]:
    """Do this rank's share; what failed, in the first rank that of all, and whether nothing was done before."""
    from eval import runner
    from eval.progress import sequence_bar
    from tracker.training.ranks import from_first

    tasks = runner.all_tasks(options.trackers, sequences, settings)
    missing = from_first(lambda: runner.prepare(tasks, out, settings))
    kept = [task for number, task in enumerate(tasks) if number not in set(missing)]
    mine = [tasks[missing[item]] for item in ranks.share([tasks[number].frames for number in missing])]
    own = [*kept, *mine]
    title = dataset.name if ranks.count == 1 else f"{dataset.name} (share 1 of {ranks.count})"
    shown = nullcontext(lambda done: None) if ranks.number else sequence_bar(own, dataset.rules, out, title)
    with shown as on_done:
        failed = runner.run(own, range(len(kept), len(own)), out, settings, on_done)
    return ranks.gathered(failed), not kept


def _subset(sequences: list[Sequence], names: list[str] | None) -> list[Sequence]:
    from datasets.errors import DataError
    from eval.outcome import some

    if names is None:
        return sequences
    known = {sequence.name: sequence for sequence in sequences}
    for name in names:
        if name not in known:
            raise DataError(f"--sequences {name}: no such sequence; there are {some(list(known), 5)}")
    return [known[name] for name in dict.fromkeys(names)]
