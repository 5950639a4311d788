"""Evaluate trained trackers on an OTB folder, or one of that form.

    b2track evaluate otb --root /data/otb
"""

from pathlib import Path

from eval.command import run_benchmark
from eval.options import make_parser, read_options
from tracker.cli import run


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("--root", type=Path, required=True,
                        help="folder of SEQUENCE/img and groundtruth_rect.txt")
    parser.add_argument("--subset", choices=("otb100", "otb50", "otb2013"), help="(default: all that is there)")
    args = parser.parse_args()
    options = read_options(args)

    from eval.dataset import open_dataset

    return run_benchmark(open_dataset("otb", args.root, args.subset, args.subset), options)


if __name__ == "__main__":
    run(main)
