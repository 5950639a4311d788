"""What `eval/benchmark.py` does once its arguments are read."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from b2nn.packed.library import library
from datasets.files import write_text
from datasets.progress import Progress, progress_bars
from eval.benchmarking.calls import network_calls, update_calls
from eval.benchmarking.contestants import Contestant
from eval.benchmarking.footage import Footage, generated_footage, read_footage
from eval.benchmarking.lineup import finished_runs, line_up, load_all
from eval.benchmarking.random_plans import untrained
from eval.benchmarking.rows import Row, make_rows
from eval.benchmarking.success import Scores, draw, read_scores
from eval.benchmarking.table import tables
from eval.benchmarking.timing import Call, clock_for, measure, rounds_within
from eval.printing import print_tables
from tracker.config import load_config
from tracker.cpu import cpu_name
from tracker.errors import TrackerError
from tracker.form import runs_on

_BUSY = 0.3  # load on the machine, processes, from which on a measurement should be repeated


@dataclass(frozen=True)
class Options:
    """What the user asked for; `eval/benchmark.py --help` says what the fields mean."""

    checkpoints: list[Path]
    work_dir: Path
    random_plans: list[float]
    config: str | None
    nanotrack: Path | None
    sequence: Path | None
    threads: list[int]
    frames: int
    rounds: int
    seconds: float | None
    seed: int
    results: list[Path]
    plot: Path | None
    json: Path | None

    def __post_init__(self) -> None:
        for name in ("threads", "frames", "rounds", "seconds"):
            given = getattr(self, name)
            for value in given if isinstance(given, list) else [given]:
                if value is not None and value <= 0:
                    raise TrackerError(f"--{name} {value:g}: must be more than 0")
        if self.frames < 2:
            raise TrackerError(f"--frames {self.frames}: must be at least 2; int8 is calibrated on their crops")
        if bool(self.random_plans) != bool(self.config):
            raise TrackerError("--random-plans and --config go together: budgets, and the preset that they are of")
        if self.random_plans and self.checkpoints:
            raise TrackerError("--random-plans: takes no --checkpoint; time them by themselves")
        if (self.plot is None) != (not self.results):
            raise TrackerError("--plot and --results go together: the picture, and where its success comes from")
        for path in (self.plot, self.json):
            if path and not path.resolve().parent.is_dir():
                raise TrackerError(f"{path}: there is no folder {path.parent}")


def run_benchmark(options: Options) -> None:
    """Time all contestants, then print, write and draw; after Ctrl-C what there is by then.

    Raises:
        TrackerError, DataError, B2nnError: something that was named cannot be used.
    """
    scores = read_scores(options.results) if options.results else None
    footage = read_footage(options.sequence, options.frames) if options.sequence else generated_footage(options.frames)
    load = os.getloadavg()[0]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as work, progress_bars() as progress:
        contestants, notes = _contestants(options, footage, Path(work), progress)
        try:
            for threads in options.threads:
                _race(contestants, footage, threads, options, progress, rows)
        except KeyboardInterrupt:
            _show(rows, contestants, scores, options, [*notes, *_facts(footage, load), "Interrupted: not all rounds."])
            raise
    _show(rows, contestants, scores, options, [*notes, *_facts(footage, load)])


def run_layers(threads: Sequence[int], rounds: int) -> None:
    """Time single layers, at the CPU's best level and at AVX2, each in a process of its own: what torch may use is
    settled once for each.

    Raises:
        TrackerError: the compiled kernels are missing.
    """
    found = library()
    if found is None:
        raise TrackerError("--layers: the compiled kernels are missing; install a C compiler and this package again")
    for level in dict.fromkeys((found.level, "avx2" if found.level == "avx512" else found.level)):
        for count in threads:
            command = [sys.executable, "-m", "b2nn.packed.benchmark", "--level", level, "--threads", str(count),
                       "--rounds", str(rounds)]
            subprocess.run(command, check=True)


def _contestants(options: Options, footage: Footage, work: Path, progress: Progress
                 ) -> tuple[list[Contestant], list[str]]:
    files: list[Contestant] = []
    if options.config:
        trained = untrained(load_config(options.config), options.random_plans, footage, options.seed)
    else:
        trained, files = load_all(options.checkpoints or finished_runs(options.work_dir))
        if not options.checkpoints:
            _require_one_reference([one.name for one in trained if one.full_precision], options.work_dir)
    done = 0

    def report(name: str) -> None:
        nonlocal done
        progress("packing and exporting", done, len(trained))
        done += 1

    contestants, notes = line_up(trained, files, footage, work, options.nanotrack, report)
    progress("packing and exporting", len(trained), len(trained))
    return contestants, notes


def _require_one_reference(names: Sequence[str], work_dir: Path) -> None:
    if len(names) > 1:
        raise TrackerError(f"--work-dir {work_dir}: has several trackers in full precision ({', '.join(names)}), and "
                           "times are divided by those of one; name one folder of runs, or files with --checkpoint")


def _race(contestants: Sequence[Contestant], footage: Footage, threads: int, options: Options, progress: Progress,
          rows: list[Row]) -> None:
    """Add the rows of one number of threads to `rows`, also if it is interrupted."""
    torch.set_num_threads(threads)
    calls: dict[tuple[int, str], list[Call]] = {}
    samples: dict[tuple[int, str], list[float]] = {}
    for place, contestant in enumerate(contestants):
        racer = contestant.start(threads)
        calls[place, "network"] = network_calls(racer, footage)
        calls[place, "update"] = update_calls(racer, footage)
    for turn in calls.values():
        for call in turn:  # first calls choose kernels and allocate maps
            call()
    try:
        measure(calls, _shown(options, threads, progress), options.seed, clock_for(threads), samples)
    finally:
        rows += make_rows(contestants, samples, threads)


def _shown(options: Options, threads: int, progress: Progress) -> Iterator[int]:
    label = f"rounds, {threads} thread{'s' * (threads > 1)}"
    for number in rounds_within(options.rounds, options.seconds):
        progress(label, number, options.rounds)
        yield number
    progress(label, options.rounds, options.rounds)


def _facts(footage: Footage, load: float) -> list[str]:
    height, width = footage.frames[0].shape[:2]
    facts = [f"{cpu_name()}; torch {torch.__version__}, Python {platform.python_version()}; frames of {width} x "
             f"{height} pixels. Packed on {runs_on()}.",
             "Quartiles over rounds below each figure; outside: of an update, without the network."]
    if load > _BUSY:
        facts.append(f"The machine was busy (load {load:.1f}): measure again when it is quiet.")
    return facts


def _show(rows: Sequence[Row], contestants: Sequence[Contestant], scores: Scores | None, options: Options,
          notes: Sequence[str]) -> None:
    more: list[str] = []
    if options.json:
        write_text(options.json, json.dumps(rows, indent=2) + "\n")
    if rows and scores and options.plot:
        more = draw(rows, contestants, scores, options.plot)
    print_tables(tables(rows), [*notes, *more])
