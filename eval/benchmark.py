"""Milliseconds a frame: the full-precision tracker in several runtimes, and partly binary ones simulated and packed.

    b2track benchmark --checkpoint fp/checkpoint.pth mixbin-0.15/checkpoint.pth bnn/checkpoint.pth
    b2track benchmark --work-dir work_dirs/small --nanotrack DIR --json times.json
    b2track benchmark --config resnet18 --random-plans 0.15 0.3 0.5      # needs no training
    b2track benchmark --layers

Run it on a machine that does nothing else. Ctrl-C shows what was measured until then.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tracker.cli import Parser, run


def parse() -> argparse.Namespace:
    parser = Parser(__doc__)
    add = parser.add_argument_group("contestants").add_argument
    add("--checkpoint", type=Path, nargs="+", action="extend", default=[], metavar="FILE",
        help="checkpoints, packed files and folders of ONNX graphs; times are divided by those of the first "
             "checkpoint in full precision")
    add("--work-dir", type=Path, default=Path("work_dirs"),
        help="without --checkpoint: every finished run below this folder (default: %(default)s)")
    add("--random-plans", type=float, nargs="+", default=[], metavar="BUDGET",
        help="instead: untrained networks of --config with random plans at these budgets")
    add("--config", metavar="NAME|FILE", help="preset of the untrained networks")
    add("--nanotrack", type=Path, metavar="DIR", help="also NanoTrack v2 and v3, whose ONNX files are in this folder")
    add = parser.add_argument_group("measuring").add_argument
    add("--threads", type=int, nargs="+", default=[1, 2], help="(default: 1 2)")
    add("--sequence", type=Path, metavar="DIR",
        help="frames and groundtruth.txt (default: generated frames of 854 x 480 pixels)")
    add("--frames", type=int, default=5, help="frames of a turn, 2 or more (default: %(default)s)")
    add("--rounds", type=int, default=15, help="turns of each contestant (default: %(default)s)")
    add("--seconds", type=float, help="begin no round after so many seconds for each number of threads")
    add("--seed", type=int, default=0, help="of the order, and of untrained networks (default: %(default)s)")
    add("--layers", action="store_true", help="time single layers instead of networks, packed against torch")
    add = parser.add_argument_group("output").add_argument
    add("--json", type=Path, metavar="FILE", help="write the rows to this file too")
    add("--results", type=Path, nargs="+", action="extend", default=[], metavar="FILE",
        help="results.json of evaluations: success for --plot")
    add("--plot", type=Path, metavar="FILE", help="draw success against milliseconds, PNG")
    return parser.parse_args()


def main() -> None:
    arguments = vars(parse())
    from eval.benchmarking.command import Options, run_benchmark, run_layers

    if arguments.pop("layers"):
        run_layers(arguments["threads"], arguments["rounds"])
        return
    run_benchmark(Options(checkpoints=arguments.pop("checkpoint"), **arguments))


if __name__ == "__main__":
    run(main)
