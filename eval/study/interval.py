"""How far apart two variants are, and how far that can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A difference and its confidence interval.

    Attributes:
        mean: over seeds and sequences.
        margin: half the length of the interval of `CONFIDENCE` around it; None for a single sequence.
    """

    mean: float
    margin: float | None


def difference(values: np.ndarray, others: np.ndarray) -> Interval:
    """A variant's values minus another's.

    With means over seeds, the two are paired over sequences; the variance of the mean is that over sequences, plus
    for each of the two that has several seeds that of its own mean over seeds. The degrees of freedom of such a sum
    are Welch's and Satterthwaite's (Welch 1947, Biometrika 34). What a seed does to one sequence and not to the
    others is in both parts, so that the interval is rather too long than too short. The luck of a variant with a
    single seed cannot be known and is not in it.

    Args:
        values, others: (seeds, sequences), of the same sequences; seeds may differ in number.
    """
    paired = values.mean(axis=0) - others.mean(axis=0)  # (sequences,)
    mean = float(paired.mean())
    if len(paired) < 2:
        return Interval(mean, None)
    luck = [one.mean(axis=1) for one in (values, others) if len(one) > 1]  # (seeds,) each
    parts = [(float(one.var(ddof=1)) / len(one), len(one) - 1) for one in (paired, *luck)]
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return Interval(mean, 0.0)
    freedom = variance ** 2 / sum(part ** 2 / free for part, free in parts)
    return Interval(mean, float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * math.sqrt(variance))
