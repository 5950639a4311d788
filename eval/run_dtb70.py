"""Evaluate trained trackers on a DTB70 folder.

    b2track evaluate dtb70 --root /data/DTB70
"""

from pathlib import Path

from eval.command import run_benchmark
from eval.options import make_parser, read_options
from tracker.cli import run


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("--root", type=Path, required=True,
                        help="folder of SEQUENCE/img and groundtruth_rect.txt")
    args = parser.parse_args()
    options = read_options(args)

    from eval.dataset import open_dataset

    return run_benchmark(open_dataset("dtb70", args.root), options)


if __name__ == "__main__":
    run(main)
