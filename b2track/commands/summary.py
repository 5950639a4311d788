"""Show what a network costs, layer by layer, and how low its budget can go.

    b2track summary --config small --budget 0.3
    b2track summary --config small --plan work_dirs/small/mixbin-0.3/plan.json
    b2track summary --checkpoint work_dirs/demo/mixbin-0.3/checkpoint.pth
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tracker.cli import Parser


def parse() -> argparse.Namespace:
    parser = Parser(__doc__)
    parser.add_argument("--config", metavar="NAME|FILE",
                        help="preset (demo, small, nano, resnet18, siamfc) or a .py file (default: demo)")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE",
                        help="a trained tracker instead, with its own plan")
    parser.add_argument("--plan", type=Path, metavar="JSON", help="which layers are binary (default: none)")
    parser.add_argument("--budget", type=float, help="share of the full-precision FLOPs to compare with")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    from tracker.summary import print_summary

    print_summary(**vars(arguments))
