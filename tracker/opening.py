"""Cameras and streams, which may take long to answer: opened on a thread that nobody has to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from tracker.newest import NewestFrames
from tracker.video import Source, open_source


def opening(name: str, on_end: Callable[[], None] = lambda: None) -> Future[Source]:
    """Begin to open a camera (its index) or a stream (its URL), of which only the newest frame will be given.

    The thread is a daemon: neither Ctrl-C nor the end of the program waits for it.

    Args:
        on_end: called on the thread when it is through, before its answer is there; whether or not anybody waits.

    Returns:
        The source, or the error of `open_source`. Who loses interest cancels: the source is closed once it is open.
    """
    future: Future[Source] = Future()

    def work() -> None:
        try:
            try:
                source = open_source(name)
            finally:
                on_end()
        except Exception as error:
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
            return
        if future.set_running_or_notify_cancel():
            future.set_result(replace(source, rest=NewestFrames(source.rest), live=True))
        else:
            source.rest.close()

    threading.Thread(target=work, name="opening", daemon=True).start()
    return future
