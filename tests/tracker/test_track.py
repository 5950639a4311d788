"""One target from frame to frame, without a network: what the score remembers, and when it is lost and found."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tracker.localize import Candidate, Target
from tracker.track import LostOptions, Track

IMAGE = np.zeros((240, 320, 3), np.uint8)
START = Target(100.0, 100, 40, 30)


def took(scores, options=None, step=5.0):
    """What is said of frames whose best place has such a probability, each `step` pixels to the right of the last."""
    track = Track(START, torch.empty(0), np.zeros(3), options or LostOptions(), seen=START, log_odds=9.0)
    results = []
    for score in scores:
        target = track.target
        track, result = track.take(Candidate(target._replace(cx=target.cx + step), score), IMAGE)
        results.append(result)
    return track, results


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_scores_are_probabilities_and_what_is_lost_stays_where_it_is(scores):
    _, results = took(scores)
    assert all(0 < result.score < 1 for result in results)
    for one, two in pairwise(results):
        if one.lost and two.lost:
            assert one.box.tolist() == two.box.tolist()


def test_the_score_follows_the_network_but_not_at_once():
    _, results = took([0.99] * 5 + [0.5] * 3 + [0.99] * 5, LostOptions(lost_below=0))
    scores = [result.score for result in results]
    assert scores[4] > scores[5] > scores[6] > scores[7] > 0.5
    assert scores[7] < scores[8] < scores[12] < 0.99
    _, [result] = took([0.3], LostOptions(score_memory=0, lost_below=0))
    assert result.score == pytest.approx(0.3)


def test_one_bad_frame_is_no_loss_not_even_the_first():
    _, results = took([0.0, 0.99, 0.99])
    assert not any(result.lost for result in results)


def test_what_is_lost_is_where_the_network_last_knew_it():
    track, results = took([0.99] * 4 + [0.2] * 8)
    lost = [result.lost for result in results].index(True)
    assert 5 <= lost < 11, "weak frames are followed for a while"
    assert results[lost - 1].box[0] > results[3].box[0]
    assert results[lost].box.tolist() == results[3].box.tolist()
    assert track.search(IMAGE).use_window is False


def test_the_search_begins_in_its_middle_and_then_goes_around():
    track, _ = took([0.0] * 3)
    assert track.lost_frames == 2
    centres = []
    for _ in range(4):
        centres.append(track.search(IMAGE).centre)
        track, _ = track.take(Candidate(START, 0.0), IMAGE)
    first, _ = took([0.0] * 2)
    assert first.search(IMAGE).centre == (track.target.cx, track.target.cy)
    assert len(set(centres)) == 4


@pytest.mark.parametrize(("score", "found"), [(0.85, False), (0.95, True)])
def test_found_again_in_one_frame_that_is_sure_and_starts_afresh(score, found):
    _, results = took([0.0] * 6 + [score])
    assert results[-2].lost and results[-1].lost is not found
    if found:
        assert results[-1].score == pytest.approx(score)
    else:
        assert results[-1].score < 0.6, "what is lost has a low score"
