"""Evaluate trained trackers on a LaSOT folder.

    b2track evaluate lasot --root /data/LaSOT
"""

from pathlib import Path

from eval.command import run_benchmark
from eval.options import make_parser, read_options
from tracker.cli import run


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("--root", type=Path, required=True,
                        help="folder of CLASS/CLASS-N and testing_set.txt")
    parser.add_argument("--split", choices=("test", "train", "all"), default="test", help="(default: test)")
    args = parser.parse_args()
    options = read_options(args)

    from eval.dataset import open_dataset

    return run_benchmark(open_dataset("lasot", args.root, args.split), options)


if __name__ == "__main__":
    run(main)
