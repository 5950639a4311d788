"""Serve a page that tracks what a camera sees, uploads and videos of a folder, with one tracker or two side by side.

    b2track serve
    b2track serve --videos FOLDER --port 8000
    b2track serve --host 0.0.0.0 --cert b2track.pem      # for phones: the address that is printed holds a token
    b2track serve --camera 0 rtsp://user:password@192.168.1.9/stream
    b2track serve --checkpoint work_dirs/demo/fp/checkpoint.pth work_dirs/demo/mixbin-0.3/checkpoint.pth

Its address is printed; sources, boxes and files are chosen in the page. Ctrl-C ends it.
"""

from __future__ import annotations

from argparse import ArgumentTypeError, BooleanOptionalAction
from pathlib import Path

from tracker.cli import Parser
from tracker.ready import named


def port(text: str) -> int:
    """Read the number of a port."""
    if not (text.isascii() and text.isdigit() and int(text) < 1 << 16):
        raise ArgumentTypeError(f"{text}: expected a number from 0 to {(1 << 16) - 1}")
    return int(text)


def main() -> None:
    parser = Parser(__doc__)
    add = parser.add_argument
    add("--videos", type=Path, metavar="FOLDER", help="offer the videos of this folder")
    add("--camera", nargs="+", default=[], metavar="INDEX|URL", help="offer cameras or streams of this machine")
    add("--checkpoint", type=named, nargs="+", default=[], metavar="NAME|FILE",
        help="trackers (default: ready and ready-fp, of the package, and all finished runs below work_dirs/)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1, ... (default: %(default)s)")
    add("--packed", action=BooleanOptionalAction,
        help="run the networks packed (default: on the CPU where the compiled kernels are)")
    add("--host", default="127.0.0.1", help="listen there; others than this machine need the token that is printed")
    add("--port", type=port, default=8080, help="0 takes a free one (default: %(default)s)")
    add("--cert", type=Path, metavar="PEM", help="certificate and key for https, which phones want for their camera")
    args = parser.parse_args()

    from tracker.web.command import WebOptions, run_web

    run_web(WebOptions(args.host, args.port, args.videos, tuple(args.camera), tuple(args.checkpoint), args.device,
                       args.cert, args.packed))
