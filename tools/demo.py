"""`b2track track`, or with `--web` `b2track serve`, from a checkout."""

import sys

from b2track.commands import serve, track
from tracker.cli import run

if __name__ == "__main__":
    web = "--web" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--web"]
    run(serve.main if web else track.main)
