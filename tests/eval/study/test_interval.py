"""Differences: what they are between, and that their intervals hold what they promise."""

import numpy as np
import pytest

from eval.study.interval import difference


def test_the_mean_is_over_seeds_and_sequences():
    found = difference(np.array([[1.0, 3.0], [3.0, 5.0]]), np.array([[1.5, 3.0]]))  # +0.5 and +1
    assert found.mean == pytest.approx(0.75)


def test_sequences_are_paired():
    hard = np.array([[0.0, 100.0, 1000.0]])
    assert difference(hard + 1, hard).margin == 0
    error = np.std([1, 2, 1], ddof=1) / 3 ** 0.5
    assert difference(hard + np.array([[1, 2, 1]]), hard).margin == pytest.approx(4.303 * error, rel=1e-3)


def test_seeds_that_differ_widen_the_interval():
    rival = np.array([[1.0, 2.0]])
    alike, apart = np.array([[1.0, 2.2], [1.0, 2.2]]), np.array([[0.0, 1.2], [2.0, 3.2]])
    assert difference(alike, rival).mean == pytest.approx(difference(apart, rival).mean)
    assert difference(apart, rival).margin > 5 * difference(alike, rival).margin
    assert difference(rival, apart).margin == pytest.approx(difference(apart, rival).margin)


def test_one_sequence_has_no_interval():
    assert difference(np.ones((3, 1)), np.zeros((3, 1))).margin is None


@pytest.mark.parametrize(("seeds", "luck", "unlike"), [
    ((3, 3), 1.0, 1.0), ((3, 3), 0.05, 1.0), ((3, 3), 1.0, 0.05), ((2, 2), 1.0, 1.0), ((1, 1), 0.0, 1.0)])
def test_an_interval_covers_the_truth_as_often_as_it_says(seeds, luck, unlike):
    """Of trainings with this spread over seeds, whose difference has this spread over sequences."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(600):
        hardness, gain = rng.normal(scale=3, size=8), rng.normal(scale=unlike, size=8)
        values, others = (hardness + rng.normal(scale=luck, size=(count, 1)) + rng.normal(scale=0.3, size=(count, 8))
                          for count in seeds)
        found = difference(values + gain + 0.4, others)
        covered.append(abs(found.mean - 0.4) <= found.margin)
    assert 0.88 <= np.mean(covered) <= 0.99
