"""Evaluate trained trackers on GOT-10k; without arguments, all of work_dirs/ on the embedded generated set.

    b2track evaluate got10k
    b2track evaluate got10k --got10k /data/got10k --checkpoint work_dirs/demo/fp/checkpoint.pth
"""

from pathlib import Path

from eval.command import run_benchmark
from eval.options import make_parser, read_options
from tracker.cli import run


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("--got10k", type=Path, metavar="ROOT",
                        help="GOT-10k folder that holds val/ and test/ (default: the embedded generated set)")
    parser.add_argument("--split", choices=("val", "test"), default="val",
                        help="test has no published truth: only result files are written (default: val)")
    args = parser.parse_args()
    options = read_options(args)

    from datasets import synthetic
    from datasets.progress import progress_bars
    from eval.dataset import open_dataset

    if args.got10k:
        return run_benchmark(open_dataset("got10k", args.got10k, args.split), options)
    with progress_bars() as progress:
        root = synthetic.ensure(synthetic.default_root(), progress=progress)
    return run_benchmark(open_dataset("got10k", root, args.split, f"synthetic-{args.split}"), options)


if __name__ == "__main__":
    run(main)
