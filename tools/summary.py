"""`b2track summary`, from a checkout."""

from b2track.commands.summary import main
from tracker.cli import run

if __name__ == "__main__":
    run(main)
