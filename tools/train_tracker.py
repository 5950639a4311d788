"""`b2track train`, from a checkout."""

from b2track.commands.train import main
from tracker.cli import run

if __name__ == "__main__":
    run(main)
