"""The options that the `run_*.py` commands share, and the trackers that they name."""

from __future__ import annotations

import argparse
import dataclasses
import functools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tracker.cli import Parser

if TYPE_CHECKING:
    from eval import multi_start
    from eval.runner import TrackerSpec


@dataclass(frozen=True)
class Options:
    """What the user asked for, by the options that all commands have.

    Attributes:
        trackers: to evaluate.
        notes: lines about peers that are missing here, and about what networks run on.
        out: None is below `work_dir`.
        sequences: None is all.
        multi_start: None is without.
        reference: None is the usual one, see `eval.table.rows`.
    """

    trackers: list[TrackerSpec]
    notes: list[str]
    work_dir: Path
    out: Path | None
    sequences: list[str] | None
    workers: int
    threads: int
    device: str
    overwrite: bool
    multi_start: multi_start.Options | None
    reference: str | None


def make_parser(usage: str) -> argparse.ArgumentParser:
    """A parser with the shared options; `usage` is the command's docstring."""
    parser = Parser(usage)
    add = parser.add_argument_group("trackers").add_argument
    add("--work-dir", type=Path, default=Path("work_dirs"),
        help="evaluate every finished run below this folder (default: %(default)s)")
    add("--checkpoint", type=Path, action="append", metavar="FILE",
        help="evaluate this checkpoint, packed file or folder of ONNX graphs instead of the runs of --work-dir; may "
             "be repeated")
    add("--ready", action="store_true", help="also evaluate the trackers that come with the package")
    add("--peers", type=lambda text: [name for name in text.split(",") if name], default=[], metavar="NAME,...",
        help="also evaluate csrt, kcf, mil, nanotrack_v2, nanotrack_v3")
    add("--peers-only", action="store_true", help="evaluate the peers and nothing else")
    add("--nanotrack", type=Path, metavar="DIR", help="folder with the ONNX files of NanoTrack")
    add = parser.add_argument_group("running").add_argument
    add("--out", type=Path, help="folder of the results (default: WORK_DIR/eval/DATASET)")
    add("--sequences", nargs="+", metavar="NAME", help="only these sequences")
    add("--workers", type=int,
        help="sequences at a time (default: one a core, at most 8; 1 on an accelerator)")
    add("--threads", type=int, help="torch threads a process (default: cores / workers)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1, ... (default: %(default)s)")
    add("--packed", action=argparse.BooleanOptionalAction,
        help="run networks packed (default: on the CPU where the compiled kernels are)")
    add("--overwrite", action="store_true", help="discard earlier results of these trackers")
    add = parser.add_argument_group("many starts").add_argument
    add("--multi-start", action="store_true", help="also run from many frames, forward and backward")
    add("--start-every", type=int, metavar="N", help="frames from one start to the next (default: 45)")
    add("--run-frames", type=int, metavar="N", help="frames of a run at most (default: 40)")
    add("--least-frames", type=int, metavar="N", help="leave shorter runs out (default: 15)")
    add("--reference", metavar="NAME",
        help="compare with this tracker (default: the full-precision one of the same folder, or the first)")
    return parser


def read_options(args: argparse.Namespace) -> Options:
    """Check the shared options and find the trackers.

    Raises:
        TrackerError: fewer than one worker or thread, a device that is not there, no tracker, options that do not go
            together.
        DataError: an unknown peer, or its files are missing.
    """
    from eval import runner
    from tracker.device import require_device
    from tracker.errors import TrackerError

    for name in ("workers", "threads"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise TrackerError(f"--{name} {value}: must be at least 1")
    require_device(args.device)
    workers = args.workers or runner.default_workers(args.device)
    threads = args.threads or max(runner.cores() // workers, 1)
    starts = _starts(args)
    trackers, notes = _trackers(args, threads)
    names = [spec.name for spec in trackers]
    if args.reference is not None and args.reference not in names:
        raise TrackerError(f"--reference {args.reference}: no such tracker; there are {', '.join(names)}")
    return Options(trackers, notes, args.work_dir, args.out, args.sequences, workers, threads, args.device,
                   args.overwrite, starts, args.reference)


def find_trackers(work_dir: Path, checkpoints: list[Path], packed: bool = False, mark: str = "") -> list[TrackerSpec]:
    """The checkpoints asked for, or else every finished run of the work folder.

    A checkpoint in its run directory takes the run's name and facts, any other the name of its file; packed files and
    folders of ONNX graphs know theirs.

    Args:
        packed: networks of checkpoints are packed. Results of the one form are not taken for the other's.
        mark: ends their names.

    Raises:
        TrackerError: there is none.
    """
    from eval.runner import checkpoint_spec
    from tracker.errors import TrackerError
    from tracker.form import form_of
    from tracker.online import load_tracker
    from tracker.runs import find_runs
    from tracker.subject import deployed_facts

    load, form = functools.partial(load_tracker, packed=packed), "packed" if packed else ""
    known = {"form": "packed" if packed else "torch"}
    if not checkpoints:
        runs = find_runs(work_dir)
        if not runs:
            raise TrackerError(
                f"no trained tracker (summary.json beside checkpoint.pth) below {work_dir}; "
                "train one with `b2track train`, or name a file with --checkpoint"
            )
        return [checkpoint_spec(run.name + mark, run.checkpoint, load, run.summary | known, form) for run in runs]
    trackers = []
    for path in checkpoints:
        if not path.exists():
            raise TrackerError(f"--checkpoint {path}: no such file")
        form_on_disk = form_of(path, packed=False)
        if form_on_disk == "torch" and path.is_dir():
            raise TrackerError(f"--checkpoint {path}: a folder without ONNX graphs; give one with them, or a file")
        own_run = [run for run in find_runs(path.parent) if run.checkpoint.samefile(path)]
        name, summary = (own_run[0].name, own_run[0].summary) if own_run else (path.stem, {})
        facts = summary | known if form_on_disk == "torch" else deployed_facts(path)
        trackers.append(checkpoint_spec(name + mark, path, load, facts, form))
    return trackers


def _starts(args: argparse.Namespace) -> multi_start.Options | None:
    from eval import multi_start
    from tracker.errors import TrackerError

    given = {"every": args.start_every, "length": args.run_frames, "least": args.least_frames}
    given = {name: value for name, value in given.items() if value is not None}
    if not args.multi_start and (given or args.reference):
        raise TrackerError("--start-every, --run-frames, --least-frames, --reference: only with --multi-start")
    return multi_start.Options(**given) if args.multi_start else None


def _trackers(args: argparse.Namespace, threads: int) -> tuple[list[TrackerSpec], list[str]]:
    """One's own trackers and then the peers, and notes about peers that are missing here and about packing."""
    from tracker.errors import TrackerError
    from tracker.form import choose_packed, form_of, how
    from tracker.ready import READY
    from tracker.runs import find_runs

    if args.peers_only and (not args.peers or args.checkpoint):
        raise TrackerError("--peers-only: needs --peers, and takes no --checkpoint")
    peers: list[TrackerSpec] = []
    notes: list[str] = []
    if args.peers:
        from eval.peers import find_peers

        peers, notes = find_peers(args.peers, args.nanotrack, threads)
    others = args.peers or args.ready
    own_wanted = args.checkpoint or not others or (not args.peers_only and find_runs(args.work_dir))
    files = [*(args.checkpoint or []), *(READY.values() if args.ready else [])]
    packed = choose_packed(args.packed, args.device, files)
    # Beside the results that are made without the option, in a row of its own.
    mark = "-unpacked" if choose_packed(None, args.device) and not packed else ""
    own = find_trackers(args.work_dir, args.checkpoint or [], packed, mark) if own_wanted else []
    if args.ready:
        ready = find_trackers(args.work_dir, list(READY.values()), packed)
        own += [dataclasses.replace(spec, name=name) for name, spec in zip(READY, ready, strict=True)]
    trackers = [*own, *peers]
    if own:
        forms = {form_of(path, packed) for path in files}
        if own_wanted and not args.checkpoint:
            forms.add("packed" if packed else "torch")
        notes = [*notes, *(how(form, args.device) for form in sorted(forms))]
    if not trackers:
        raise TrackerError(f"--peers: none of them is to be had here ({'; '.join(notes)})")
    _require_names(trackers)
    return trackers, notes


def _require_names(trackers: list[TrackerSpec]) -> None:
    from tracker.errors import TrackerError

    for name, count in Counter(spec.name for spec in trackers).items():
        if count > 1:
            raise TrackerError(f"{count} trackers would be called {name!r}; evaluate them with different --out")
