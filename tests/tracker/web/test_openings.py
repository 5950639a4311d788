"""One camera a session and two a server are opened at a time."""

from concurrent.futures import Future

import pytest

from tests.tracker.web.conftest import wait_until
from tracker import opening
from tracker.errors import TrackerError
from tracker.web.openings import Openings


@pytest.fixture
def answer(monkeypatch):
    """What every camera says, when it is told to."""
    answer = Future()
    monkeypatch.setattr(opening, "open_source", lambda name: answer.result(20))
    yield answer
    if not answer.done():
        answer.set_exception(TrackerError("no picture"))


def test_a_session_opens_one_at_a_time_and_all_of_them_two(answer):
    openings = Openings()
    waiting = [openings.begin("one", "0"), openings.begin("two", "1")]
    for session in ("one", "two", "three"):
        with pytest.raises(TrackerError, match="another camera is being opened; wait"):
            openings.begin(session, "2")
    answer.set_exception(TrackerError("no picture"))
    for each in waiting:
        assert each.exception(20)
    assert openings.begin("one", "0").exception(20)


def test_what_is_given_up_counts_until_its_thread_ends(answer):
    openings = Openings(most=1)
    assert openings.begin("one", "0").cancel()
    with pytest.raises(TrackerError, match="wait"):
        openings.begin("two", "0")
    answer.set_exception(TrackerError("no picture"))
    wait_until(lambda: not openings._sessions)
    openings.begin("two", "0")
