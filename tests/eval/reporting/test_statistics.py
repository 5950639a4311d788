import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eval.metrics import weighted_mean
from eval.reporting.statistics import compare, holm, interval, smallest_p

ONES = np.ones(8)
SCORES = np.array([0.9, 0.2, 0.7, 0.4, 0.8, 0.1, 0.6, 0.5])
fractions = arrays(float, 6, elements=st.floats(0, 1))
few = given(fractions, fractions, arrays(float, 6, elements=st.integers(1, 100).map(float)))


def test_two_equal_trackers_differ_by_nothing_and_by_chance():
    found = compare(SCORES, SCORES, ONES)
    assert (found.difference.value, found.difference.low, found.difference.high) == (0, 0, 0)
    assert (found.p, found.sequences) == (1, 8)


def test_better_on_all_of_eight_sequences_is_two_of_256_swaps():
    found = compare(SCORES + np.linspace(0.01, 0.09, 8), SCORES, ONES)
    assert found.p == pytest.approx(2 / 256)
    assert found.difference.value == pytest.approx(0.05)
    assert 0 < found.difference.low < 0.05 < found.difference.high < 0.09


def test_better_on_one_sequence_alone_is_chance():
    assert compare(SCORES + np.eye(8)[0] * 0.5, SCORES, ONES).p == 1


def test_many_sequences_are_sampled_and_give_the_same_each_time():
    first, second = np.random.default_rng(1).random((2, 40))
    found = compare(first + 0.5, second, np.ones(40))
    assert found.p < 0.001
    assert found == compare(first + 0.5, second, np.ones(40))


@few
def test_the_difference_is_that_of_the_weighted_means_and_turns_with_the_order(first, second, weights):
    found, turned = compare(first, second, weights), compare(second, first, weights)
    means = weighted_mean(np.stack([first, second], axis=1), weights)
    assert found.difference.value == pytest.approx(means[0] - means[1], abs=1e-12)
    assert turned.difference.value == pytest.approx(-found.difference.value, abs=1e-12)
    assert turned.p == pytest.approx(found.p)


@few
def test_an_interval_lies_around_the_mean_and_within_the_scores(values, _, weights):
    found = interval(values, weights)
    assert values.min() - 1e-9 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= values.max() + 1e-9


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    draw = np.random.default_rng(0)
    found = [interval(draw.normal(0.5, 0.1, 30), np.ones(30)) for _ in range(60)]
    assert 52 <= sum(one.low <= 0.5 <= one.high for one in found) <= 60


def test_a_sequence_without_a_score_has_no_say():
    gap = np.append(SCORES, np.nan)
    assert interval(gap, np.ones(9)) == interval(SCORES, ONES)
    assert compare(gap, np.append(SCORES - 0.1, 0.3), np.ones(9)) == compare(SCORES, SCORES - 0.1, ONES)


def test_one_sequence_has_no_interval_and_cannot_tell():
    found = compare(np.array([0.9]), np.array([0.1]), np.ones(1))
    assert (found.difference.value, found.p) == (pytest.approx(0.8), 1)
    assert np.isnan(found.difference.low)
    assert np.isnan(interval(np.array([np.nan]), np.ones(1)).value)


def test_holm_steps_down():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []


def test_few_sequences_and_many_pairs_can_show_nothing():
    assert smallest_p(8, 1) == pytest.approx(2 / 256)
    assert smallest_p(8, 10) == pytest.approx(20 / 256)
    assert smallest_p(3, 6) == 1
