"""`b2track export`, from a checkout."""

from b2track.commands.export import main
from tracker.cli import run

if __name__ == "__main__":
    run(main)
