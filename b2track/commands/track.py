"""Track objects through a video, a folder of images, a camera (its index) or a stream (its URL).

    b2track track --source video.mp4 --init-box 312,143,110,102 --out tracked.mp4 --csv boxes.csv
    b2track track --source 0
    b2track track --source rtsp://user:password@192.168.1.9/stream --out tracked.mp4

In the window: Space holds the video and goes on, the mouse draws a box on the held picture, R draws an object's box
anew, N adds an object, S keeps a snapshot, Q ends. `b2track serve`, or `tools/demo.py --web`, does it in a browser and
has its own options: add --help.
"""

from __future__ import annotations

from argparse import BooleanOptionalAction
from pathlib import Path

from tracker.cli import Parser
from tracker.ready import named


def main() -> None:
    parser = Parser(__doc__)
    add = parser.add_argument
    add("--source", required=True, help="video file, folder of images, camera index or stream URL")
    add("--init-box", metavar="X,Y,W,H", action="append", default=[],
        help="object in the first frame, 0-based pixels; may be given several times (default: draw it)")
    add("--out", type=Path, metavar="FILE", help="annotated video (.mp4, .avi, .mkv, .mov)")
    add("--csv", type=Path, metavar="FILE", help="table of boxes: frame,x,y,w,h,score,lost,ms,object")
    add("--checkpoint", type=named, metavar="NAME|FILE", default="ready",
        help="tracker: a file, or one that comes with the package, ready or ready-fp (default: %(default)s)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1, ... (default: %(default)s)")
    add("--packed", action=BooleanOptionalAction,
        help="run the network packed (default: on the CPU where the compiled kernels are)")
    add("--no-display", action="store_true", help="open no window (default where there is no display)")
    add("--overwrite", action="store_true", help="replace files that exist")
    args = parser.parse_args()

    from tracker.demo import DemoOptions, run_demo

    frames = run_demo(DemoOptions(args.source, args.init_box, args.out, args.csv, args.checkpoint, args.device,
                                  display=not args.no_display, overwrite=args.overwrite, packed=args.packed))
    print(f"{frames} frame{'s' * (frames != 1)} tracked", *(path for path in (args.out, args.csv) if path))
