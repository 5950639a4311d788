"""Only the newest frame of a camera is given, and its errors come through."""

import threading

import pytest

from tracker.newest import NewestFrames


def test_frames_that_were_not_taken_in_time_are_dropped():
    given, go_on = threading.Event(), threading.Event()

    def frames():
        yield 0
        yield 1
        yield 2
        given.set()
        go_on.wait(10)
        yield 3

    newest = NewestFrames(frames())
    given.wait(10)
    assert next(newest) == 2
    go_on.set()
    assert next(newest) == 3
    assert next(newest, None) is None


def test_the_last_frame_is_given_before_the_end():
    assert list(NewestFrames(iter([7]))) == [7]


def test_errors_of_the_source_come_through():
    def frames():
        yield from ()
        raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"):
        next(NewestFrames(frames()))


def test_closing_wakes_who_waits_and_releases_the_source():
    released = threading.Event()

    def frames():
        try:
            yield 0
            while True:
                threading.Event().wait(0.01)
                yield 1
        finally:
            released.set()

    newest = NewestFrames(frames())
    next(newest)
    newest.close()
    assert released.wait(10)
    list(newest)  # ends
