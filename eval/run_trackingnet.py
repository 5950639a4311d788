"""Evaluate trained trackers on TrackingNet.

    b2track evaluate trackingnet --root /data/TrackingNet
    b2track evaluate trackingnet --root /data/TrackingNet --split train_0
"""

from pathlib import Path

from eval.command import run_benchmark
from eval.options import make_parser, read_options
from tracker.cli import run


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("--root", type=Path, required=True,
                        help="folder of TEST/frames and TEST/anno")
    parser.add_argument("--split", metavar="SPLIT", default="test",
                        help="test has no published truth: only result files are written; train, or a part of it "
                             "such as train_0 (default: test)")
    args = parser.parse_args()
    options = read_options(args)

    from eval.dataset import open_dataset

    return run_benchmark(open_dataset("trackingnet", args.root, args.split), options)


if __name__ == "__main__":
    run(main)
