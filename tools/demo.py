"""`b2track track`, or with `--web` `b2track serve`, from a checkout."""

import sys

from b2track.commands import serve, track
from tracker.cli import run

if __name__ == "__main__":
    web = "--web" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--web"]
    if web and any(argument.split("=")[0] == "--source" for argument in sys.argv):
        print("error: --web --source: sources are chosen in the page; offer it a camera or stream with --camera, "
              "videos with --videos", file=sys.stderr)
        sys.exit(2)
    run(serve.main if web else track.main)
