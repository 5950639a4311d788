"""Train a grid of trackers that differ in one thing at a time, measure them alike, and write the tables.

    python tools/study.py --config methods --got10k ROOT --otb ROOT --document docs/RESULTS.md
    python tools/study.py --config my_study.py --got10k ROOT --lasot ROOT --images annotations.json --workers 2

The same command goes on where it was stopped. Studies by name: methods (ways to choose the layers), recipes (how binary
layers compute and train), activations, smallest (budgets near the floor), transfer (plans from other data),
width (wider, but more binary), long (what is left when finetuning is not cut short), budget_keeping (by a
threshold or by a penalty).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tracker.cli import Parser, run


def parse() -> argparse.Namespace:
    parser = Parser(__doc__)
    parser.add_argument("--config", required=True, metavar="NAME|FILE", help="a study by name, or a .py file")
    add = parser.add_argument_group("data").add_argument
    add("--got10k", type=Path, required=True, metavar="ROOT",
        help="folder of GOT-10k with train/ to train on and val/ to choose by")
    add("--otb", type=Path, metavar="ROOT", help="also measure on OTB sequences, for reporting")
    add("--lasot", type=Path, metavar="ROOT", help="train on LaSOT too")
    add("--images", type=Path, metavar="JSON", help="and on still images with COCO-style annotations")
    add("--synthetic", action="store_true", help="and on the embedded generated set")
    add("--objects", type=Path, metavar="ROOT", help="paste objects of these images ...")
    add("--masks", type=Path, metavar="ROOT", help="... cut out by these masks")
    add("--lmdb", type=Path, metavar="DIR", help="caches of the training data (default: WORK_DIR/lmdb)")
    add = parser.add_argument_group("full-precision trackers").add_argument
    add("--teacher", choices=("nanotrack_v2", "nanotrack_v3"), help="who teaches them")
    add("--teacher-weights", type=Path, metavar="FILE", help="the teacher's checkpoint")
    add = parser.add_argument_group("running").add_argument
    add("--work-dir", type=Path, default=Path("work_dirs/study"), help="for everything (default: %(default)s)")
    add("--workers", type=int, default=1, help="trainings at a time (default: %(default)s)")
    add("--threads", type=int, default=1, help="torch threads of each (default: %(default)s)")
    add("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    add("--only", nargs="+", metavar="VARIANT", help="train these variants only; the others' finished rows are shown")
    add("--document", type=Path, metavar="MD", help="Markdown file in which to write the study's chapter")
    return parser.parse_args()


def main() -> int:
    options = parse()
    if options.device.startswith("cpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # mmengine takes a GPU wherever it sees one

    from eval.dataset import open_dataset
    from eval.study.command import run_study
    from eval.study.loading import load_study
    from eval.study.sources import Sources
    from tracker.device import require_device
    from tracker.errors import TrackerError
    from tracker.training.data import TrainingData

    for name in ("workers", "threads"):
        if getattr(options, name) < 1:
            raise TrackerError(f"--{name} {getattr(options, name)}: must be at least 1")
    require_device(options.device)
    study = load_study(options.config)
    benchmarks = [open_dataset("got10k", options.got10k, "val")]
    benchmarks += [open_dataset("otb", options.otb)] if options.otb else []
    if (options.teacher is None) != (options.teacher_weights is None):
        raise TrackerError("--teacher and --teacher-weights: give both or none")
    data = TrainingData(options.got10k, options.lasot, options.images, options.synthetic, options.objects,
                        options.masks, options.lmdb or options.work_dir / "lmdb")
    sources = Sources(
        Path(options.config).stem, data, options.got10k,
        (options.teacher, options.teacher_weights) if options.teacher else None, benchmarks, options.work_dir,
        options.device, options.threads)
    return run_study(study, sources, options.workers, options.document, command_line(options), options.only)


def command_line(options: argparse.Namespace) -> str:
    """The call as others can make it: folders and files by what they are, nothing that changes no result."""
    said = ["python tools/study.py"]
    for name, value in vars(options).items():
        if value in (None, False) or name in ("work_dir", "workers", "only", "document", "lmdb"):
            continue
        given = name.upper() if isinstance(value, Path) else value
        said.append(f"--{name.replace('_', '-')}" + ("" if value is True else f" {given}"))
    return " ".join(said)


if __name__ == "__main__":
    run(main)
