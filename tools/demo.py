"""Track objects through a video, a folder of images, a camera (its index) or a stream (its URL).

    python tools/demo.py --source video.mp4 --init-box 312,143,110,102 --out tracked.mp4 --csv boxes.csv
    python tools/demo.py --source 0
    python tools/demo.py --web --videos FOLDER          # a page: this or that camera, uploads, two trackers compared
"""

from argparse import BooleanOptionalAction, Namespace
from pathlib import Path

from tracker.cli import Parser, run
from tracker.ready import READY_MODEL


def main() -> int:
    parser = Parser(__doc__)
    add = parser.add_argument
    add("--source", help="video file, folder of images, camera index or stream URL")
    add("--init-box", metavar="X,Y,W,H", action="append", default=[],
        help="object in the first frame, 0-based pixels; may be given several times (default: draw it)")
    add("--out", type=Path, metavar="FILE", help="annotated video (.mp4, .avi, .mkv, .mov)")
    add("--csv", type=Path, metavar="FILE", help="table of boxes: frame,x,y,w,h,score,lost,ms,object")
    add("--checkpoint", type=Path, nargs="+", default=[],
        help="tracker (default: the one that comes with the package); with --web several (default: all runs too)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1, ... (default: %(default)s)")
    add("--packed", action=BooleanOptionalAction,
        help="run the network packed (default: on the CPU where the compiled kernels are)")
    add("--no-display", action="store_true", help="open no window (default where there is no display)")
    add("--overwrite", action="store_true", help="replace files that exist")
    web = parser.add_argument_group("in a browser").add_argument
    web("--web", action="store_true", help="serve a page and print its address, instead of tracking one source")
    web("--host", default="127.0.0.1", help="listen there; others than this machine need the token that is printed")
    web("--port", type=int, default=8080, help="0 takes a free one (default: %(default)s)")
    web("--videos", type=Path, metavar="FOLDER", help="offer the videos of this folder")
    web("--camera", nargs="+", default=[], metavar="INDEX|URL", help="offer cameras or streams of this machine")
    web("--cert", type=Path, metavar="PEM", help="certificate and key for https, which phones want for their camera")
    args = parser.parse_args()
    if args.web:
        if args.source or args.init_box or args.out or args.csv:
            parser.error("--web: sources, boxes and files are chosen in the page; leave out --source, --init-box, "
                         "--out and --csv")
        return _serve(args)
    if not args.source:
        parser.error("--source: needed, or --web")
    if len(args.checkpoint) > 1:
        parser.error("--checkpoint: several are for --web")

    from tracker.demo import DemoOptions, run_demo

    frames = run_demo(DemoOptions(
        args.source, args.init_box, args.out, args.csv, args.checkpoint[0] if args.checkpoint else READY_MODEL,
        args.device, display=not args.no_display, overwrite=args.overwrite, packed=args.packed,
    ))
    print(f"{frames} frames tracked", *(path for path in (args.out, args.csv) if path))
    return 0


def _serve(args: Namespace) -> int:
    from tracker.web.command import WebOptions, run_web

    run_web(WebOptions(args.host, args.port, args.videos, tuple(args.camera), tuple(args.checkpoint), args.device,
                       args.cert, args.packed))
    return 0


if __name__ == "__main__":
    run(main)
