"""Write a trained tracker in a form that runs elsewhere.

    python tools/export.py --checkpoint work_dirs/small/fp/checkpoint.pth --format onnx --out exported
    python tools/export.py --checkpoint work_dirs/small/fp/checkpoint.pth --format onnx-int8 --out exported-int8
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tracker.cli import Parser, run

FORMATS = ("onnx", "onnx-int8")


def parse() -> argparse.Namespace:
    parser = Parser(__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help="a trained tracker")
    parser.add_argument("--format", choices=FORMATS, required=True,
                        help="onnx: two graphs in float32; onnx-int8: the same in static int8")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="folder of template.onnx and search.onnx")
    parser.add_argument("--dynamic-batch", action="store_true", help="onnx: any number of search crops a run")
    parser.add_argument("--calibration", type=Path, metavar="ROOT",
                        help="onnx-int8: sequences in GOT-10k's layout (default: the generated set)")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    from tracker.errors import TrackerError
    from tracker.export.command import export_onnx, export_onnx_int8

    checkpoint, out = arguments.checkpoint, arguments.out
    if arguments.format == "onnx":
        if arguments.calibration:
            raise TrackerError("--calibration: float32 needs none; leave it out or choose --format onnx-int8")
        lines = export_onnx(checkpoint, out, arguments.dynamic_batch)
    else:
        lines = export_onnx_int8(checkpoint, out, arguments.dynamic_batch, arguments.calibration)
    print("\n".join(lines))


if __name__ == "__main__":
    run(main)
