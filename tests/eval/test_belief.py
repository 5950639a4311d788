"""How far a score tells right from wrong, and what counts as found again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.belief import SECOND, Judged, believe, found_again, judge, roc_auc


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
def test_the_area_is_the_share_of_pairs_in_order(frames):
    scores, positive = np.array([score for score, _ in frames], float), np.array([flag for _, flag in frames])
    pairs = [(a > b) + (a == b) / 2 for a in scores[positive] for b in scores[~positive]]
    assert roc_auc(scores, positive) == (pytest.approx(np.mean(pairs)) if pairs else None)


def test_a_frame_is_right_where_the_target_is_seen_and_met():
    truth = np.tile([10.0, 10, 20, 20], (4, 1))
    boxes = truth + np.array([[0, 0, 0, 0], [2, 0, 0, 0], [15, 0, 0, 0], [0, 0, 0, 0]])
    judged = judge(boxes, np.ones(4), truth, np.array([True, True, True, False]))
    assert judged.right.tolist() == [True, False, False]


@pytest.mark.parametrize(("after", "found"), [(0, True), (SECOND - 1, True), (SECOND, False)])
def test_found_again_is_within_a_second(after, found):
    visible = np.r_[np.ones(5), np.zeros(5), np.ones(60)].astype(bool)
    right = np.zeros(70, dtype=bool)
    right[:5], right[10 + after:] = True, True
    assert found_again(Judged(np.ones(70), right, visible)) == [found]


def test_what_vanishes_again_must_be_found_before():
    visible = np.array([1, 0, 1, 0, 1], dtype=bool)
    judged = Judged(np.ones(5), np.array([1, 0, 0, 0, 1], dtype=bool), visible)
    assert found_again(judged) == [False, True]
    assert (believe([judged, judged]).reappearances, believe([judged, judged]).found) == (4, 2)
