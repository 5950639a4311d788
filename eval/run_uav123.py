"""Evaluate trained trackers on UAV123, UAV123@10fps or UAV20L, or a folder of that form.

    b2track evaluate uav123 --root /data/UAV123
    b2track evaluate uav123 --root /data/UAV123_10fps --fps 10
"""

from pathlib import Path

from eval.command import run_benchmark
from eval.options import make_parser, read_options
from tracker.cli import run


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("--root", type=Path, required=True,
                        help="folder of anno/UAV123 and data_seq/UAV123 (UAV123_10fps for --fps 10)")
    version = parser.add_mutually_exclusive_group()
    version.add_argument("--fps", choices=("30", "10"), default="30", help="UAV123 or UAV123@10fps (default: 30)")
    version.add_argument("--long", action="store_true", help="UAV20L: anno/UAV20L on the images of UAV123")
    args = parser.parse_args()
    options = read_options(args)

    from eval.dataset import open_dataset

    return run_benchmark(open_dataset("uav123", args.root, "20l" if args.long else f"{args.fps}fps"), options)


if __name__ == "__main__":
    run(main)
