"""What all command lines share: errors of the user become one line on stderr and exit code 2."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

LIVE_THREADS = ("opening", "newest frames")
"""Names of daemon threads that wait for a camera or stream."""


class Parser(argparse.ArgumentParser):
    """Shows `usage`, a command's docstring, as it is; a wrong option is one line too, without the list of all."""

    def __init__(self, usage: str | None) -> None:
        super().__init__(description=usage, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (--help lists the options)\n")


def run(command: Callable[[], int | None]) -> None:
    """Call `command` and leave the process with its exit code.

    Errors that a user can mend end with one line and 2, Ctrl-C with 130; everything else keeps its traceback.
    """
    try:
        code = command() or 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    except Exception as error:
        if not isinstance(error, (ImportError, OSError, *_classes_of_ours())):
            raise
        print(f"error: {' '.join(_message(error).split())}", file=sys.stderr)
        code = 2
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End the process; at once where a thread still waits for a camera or stream.

    Python cannot end such a thread, and hangs or crashes when it takes the decoder apart under it.
    """
    if any(thread.name in LIVE_THREADS for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _classes_of_ours() -> tuple[type[Exception], ...]:
    """Imported once there is an error: with torch, which may be what is missing."""
    try:
        from b2nn.errors import B2nnError
        from datasets.errors import DataError
        from tracker.errors import TrackerError
    except ImportError:
        return ()
    return B2nnError, DataError, TrackerError


def _message(error: Exception) -> str:
    """What went wrong; torch hands on an error of a DataLoader's worker as the text of its traceback."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    text = str(error)
    if text.startswith("Caught ") and "Original Traceback" in text:
        return text.rpartition(f"{type(error).__qualname__}: ")[2]
    return text
