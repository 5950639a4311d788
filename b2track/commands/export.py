"""Write a trained tracker in a form that runs elsewhere.

    b2track export --checkpoint work_dirs/small/fp/checkpoint.pth --format onnx --out exported
    b2track export --checkpoint work_dirs/small/fp/checkpoint.pth --format onnx-int8 --out exported-int8
    b2track export --checkpoint work_dirs/small/mixbin-0.3/checkpoint.pth --format packed --out small.packed
    b2track export --checkpoint C --format packed --calibration /data/GOT-10k --out small.packed
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tracker.cli import Parser

FORMATS = ("onnx", "onnx-int8", "packed")
PRECISIONS = ("float32", "bf16", "int8")


def parse() -> argparse.Namespace:
    parser = Parser(__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help="a trained tracker")
    parser.add_argument("--format", choices=FORMATS, required=True,
                        help="onnx: two graphs in float32; onnx-int8: the same in static int8; "
                             "packed: one file with bits packed, for this project")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR|FILE",
                        help="folder of template.onnx and search.onnx; file of a packed tracker")
    parser.add_argument("--dynamic-batch", action="store_true", help="onnx: any number of search crops a run")
    parser.add_argument("--calibration", type=Path, metavar="ROOT",
                        help="int8: sequences in GOT-10k's layout (default: the generated set)")
    parser.add_argument("--fp-precision", choices=PRECISIONS,
                        help="packed: of convs that are not binary (default: float32; with --calibration int8, if that "
                             "keeps its success on these sequences within 1 %% of float32's)")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    from eval.judging import success
    from tracker.errors import TrackerError
    from tracker.export.command import export_onnx, export_onnx_int8, export_packed

    checkpoint, out, calibration = arguments.checkpoint, arguments.out, arguments.calibration
    packed, precision = arguments.format == "packed", arguments.fp_precision
    if precision and not packed:
        raise TrackerError(f"--fp-precision {precision}: of --format packed only; --format onnx is float32, and "
                           "--format onnx-int8 int8")
    if arguments.dynamic_batch and packed:
        raise TrackerError("--dynamic-batch: of --format onnx and onnx-int8 only; a packed tracker takes any batch")
    if calibration and (arguments.format == "onnx" or precision in ("float32", "bf16")):
        raise TrackerError(f"--calibration: only int8 is calibrated, not {precision or 'float32'}; leave it out, or "
                           "choose --format onnx-int8, or --format packed --fp-precision int8")
    if arguments.format == "onnx":
        lines = export_onnx(checkpoint, out, arguments.dynamic_batch)
    elif arguments.format == "onnx-int8":
        lines = export_onnx_int8(checkpoint, out, arguments.dynamic_batch, calibration)
    else:
        lines = export_packed(checkpoint, out, precision, calibration, success,
                              on_step=lambda text: print(f"{text} ...", file=sys.stderr))
    print("\n".join(lines))
