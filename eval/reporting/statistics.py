"""Which differences are more than chance: the sequences of a benchmark are a sample, and often a small one.

Scores are weighted means over sequences (`eval.metrics.weighted_mean`). Intervals come from the percentile bootstrap
over sequences, p-values from the sign-flip permutation test of paired differences: if two trackers are equally good,
each sequence's two scores might as well be swapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 9999
"""Of the bootstrap, and of the permutation test where there are more than 13 sequences; below that it is exact."""


@dataclass(frozen=True)
class Interval:
    """A weighted mean and its 95 % interval; the bounds are NaN for fewer than two sequences."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two trackers on the same sequences.

    Attributes:
        difference: first minus second, with its interval.
        p: probability of a difference at least as large, either way, if the two were equally good; 1 where no
            sequence can tell.
        sequences: on which both have a score.
    """

    difference: Interval
    p: float
    sequences: int


def interval(values: np.ndarray, weights: np.ndarray) -> Interval:
    """Weighted mean of (S,) values, with weights (S,), and its 95 % bootstrap interval.

    Values that are NaN have no say.
    """
    known = ~np.isnan(values) & (weights > 0)
    values, weights = values[known], weights[known]
    if not len(values):
        return Interval(np.nan, np.nan, np.nan)
    mean = float(_mean(values, weights))
    if len(values) < 2:
        return Interval(mean, np.nan, np.nan)
    found = stats.bootstrap(
        (values, weights), _mean, paired=True, vectorized=True, method="percentile", n_resamples=RESAMPLES,
        batch=1000, random_state=np.random.default_rng(0),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))


def compare(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> Comparison:
    """Compare the (S,) scores of two trackers on the same sequences, with weights (S,).

    The difference is the mean over the sequences on which both have a score.
    """
    known = ~np.isnan(first) & ~np.isnan(second) & (weights > 0)
    first, second, weights = first[known], second[known], weights[known]

    def difference(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
        return _mean(a - b, weights, axis)

    p = 1.0
    if len(weights) > 1:
        p = float(stats.permutation_test(
            (first, second), difference, permutation_type="samples", vectorized=True, n_resamples=RESAMPLES,
            batch=1000, random_state=np.random.default_rng(0),
        ).pvalue)
    return Comparison(interval(first - second, weights), p, len(weights))


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's step-down method (Scand. J. Statist. 6, 1979)."""
    corrected = [1.0] * len(p)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p, kind="stable")):
        largest = max(largest, min((len(p) - rank) * p[index], 1.0))
        corrected[index] = largest
    return corrected


def smallest_p(sequences: int, comparisons: int) -> float:
    """The least corrected p-value that so many sequences can give: all of them agree, in one of so many tests."""
    return min(comparisons * 2.0 ** (1 - sequences), 1.0)


def _mean(values: np.ndarray, weights: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray((values * weights).sum(axis) / np.broadcast_to(weights, values.shape).sum(axis))
