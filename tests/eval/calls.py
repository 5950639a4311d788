"""What the tests of worker processes let them do; they import it by name."""

import os
import time


def note(path, text=None):
    path.write_text(text or str(os.getpid()))


def fail(message):
    if message:
        raise RuntimeError(message)


def die(really):
    if really:
        os._exit(7)


def sleep(path):
    """Say which process this is, and stay; not at all without a path."""
    if path:
        path.with_suffix(".new").write_text(str(os.getpid()))
        path.with_suffix(".new").rename(path)
        time.sleep(60)


def pid_in(path):
    """Wait for the file that `sleep` writes."""
    for _ in range(1500):
        if path.exists():
            return int(path.read_text())
        time.sleep(0.02)
    raise AssertionError(f"{path} did not appear")
