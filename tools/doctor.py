"""`b2track doctor`, from a checkout."""

from b2track.commands.doctor import main
from tracker.cli import run

if __name__ == "__main__":
    run(main)
