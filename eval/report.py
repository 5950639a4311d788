"""Gather all results of evaluations into one page to read and to show: report.html, and report.md with its tables.

    b2track report
    b2track report --results work_dirs/eval/otb work_dirs/eval/lasot-test --out report
"""

from pathlib import Path

from tracker.cli import Parser, run


def main() -> int:
    parser = Parser(__doc__)
    parser.add_argument("--results", type=Path, nargs="+", metavar="DIR", default=[Path("work_dirs")],
                        help="folders that are searched for results.json (default: work_dirs)")
    parser.add_argument("--out", type=Path, metavar="DIR", default=Path("work_dirs/report"),
                        help="folder of the page (default: %(default)s)")
    args = parser.parse_args()

    from eval.reporting.page import write_page

    for line in write_page(args.results, args.out):
        print(line)
    print(f"{args.out}/: report.html, report.md")
    return 0


if __name__ == "__main__":
    run(main)
