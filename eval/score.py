"""Score raw result files of any tracker against a ground truth.

    b2track score --protocol otb --gt OTB100/gt --results OTB100/results
    b2track score --protocol lasot --gt /data/LaSOT --results results --subset testing_set.txt --json scores.json

Exit code 1 if anything did not fit (named below the table), 2 if nothing can be scored.
"""

from pathlib import Path

from eval.protocols import BENCHMARKS
from tracker.cli import Parser, run


def main() -> int:
    parser = Parser(__doc__)
    add = parser.add_argument
    add("--protocol", choices=sorted(BENCHMARKS), required=True, help="the benchmark whose rules score")
    add("--gt", type=Path, required=True, metavar="DIR", help="SEQ.txt files, or the benchmark's own layout")
    add("--results", type=Path, required=True, metavar="DIR",
        help="TRACKER/SEQ.txt, SEQ.txt or TRACKER/SEQ/SEQ_001.txt")
    add("--subset", type=Path, metavar="FILE", help="score these sequences only: names, one a line")
    add("--trackers", nargs="+", metavar="NAME", help="score these trackers only")
    add("--json", type=Path, metavar="FILE", help="write the rows to this file too")
    args = parser.parse_args()

    from eval.printing import print_tables
    from eval.scoreboard import check_json, remarks, score_results, tables, write_json

    if args.json:
        check_json(args.json)
    board = score_results(args.protocol, args.gt, args.results, args.subset, args.trackers)
    if args.json:
        write_json(board, args.json)
    print_tables(tables(board, BENCHMARKS[args.protocol].title), remarks(board))
    return 1 if any(row.problems for row in board.rows) else 0


if __name__ == "__main__":
    run(main)
