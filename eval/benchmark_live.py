"""What the demo in a browser costs: latency beside the tracker's own, frames a second of several pages, memory.

    python eval/benchmark_live.py --checkpoint fp/checkpoint.pth mixbin-0.3/checkpoint.pth
    python eval/benchmark_live.py --pages 1 --seconds 600      # does the server's memory stay flat?

Each page sends generated frames of 854 x 480 pixels as JPEG over its WebSocket, the next one when the boxes of the last
are there; the server runs beside it on the same machine. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tracker.cli import Parser, run
from tracker.ready import READY_MODEL


def parse() -> argparse.Namespace:
    parser = Parser(__doc__)
    add = parser.add_argument
    add("--checkpoint", type=Path, nargs="+", default=[READY_MODEL], metavar="FILE",
        help="checkpoints, in torch and packed, and packed files (default: the one that comes with the package)")
    add("--pages", type=int, nargs="+", default=[1, 2, 4], help="at once, 4 at most (default: 1 2 4)")
    add("--seconds", type=float, default=20, help="of each measurement (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the rows to this file too")
    return parser.parse_args()


def main() -> None:
    arguments = vars(parse())
    from eval.benchmarking.live import Options, run_live

    run_live(Options(checkpoints=arguments.pop("checkpoint"), **arguments))


if __name__ == "__main__":
    run(main)
