import itertools
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from b2nn.cost import profile
from b2nn.search.knapsack import fits
from b2nn.search.problem import Problem
from b2nn.search.random import draw_maximal, search


def is_maximal(mask, costs, capacity):
    added = [np.array(mask) | (np.arange(len(mask)) == i) for i in range(len(mask)) if not mask[i]]
    return fits(np.array(mask), costs, capacity) and not any(fits(more, costs, capacity) for more in added)


@pytest.mark.parametrize("costs, capacity", [
    ([3, 3, 2, 5, 1.5, 7], 9.3),
    ([1, 1, 1, 1, 1], 2.5),  # like units
    ([1, 1, 1, 1, 1, 1, 1, 1], 6),  # each rounded up: six would not fit by their rounded costs
    ([10, 9, 8, 0.001, 0.002, 0.003], 10.0005),  # costs far apart, closer than any rounding
    ([1, 2, 4, 8, 16, 32, 64], 64),  # filled to the last place
    ([4.1, 4.1, 4.1, 2.7, 2.7, 2.7, 0.01, 0.01], 10.9),  # like units that are no whole number of cells
])
def test_every_maximal_plan_is_equally_likely(costs, capacity):
    costs = np.array(costs, dtype=float)
    maximal = [mask for mask in itertools.product([False, True], repeat=len(costs))
               if is_maximal(mask, costs, capacity)]
    rng = np.random.default_rng(0)
    drawn = Counter(tuple(draw_maximal(costs, capacity, rng).tolist()) for _ in range(300 * len(maximal)))
    assert set(drawn) == set(maximal)
    assert chisquare([drawn[mask] for mask in maximal]).pvalue > 0.01


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=40), st.floats(0, 1), st.integers(0, 9))
def test_every_draw_fits_and_leaves_no_room(costs, share, seed):
    costs = np.array(costs)
    chosen = draw_maximal(costs, share * costs.sum(), np.random.default_rng(seed))
    assert is_maximal(chosen, costs, share * costs.sum())


def test_hundreds_of_units():
    costs = np.random.default_rng(0).uniform(1, 30, 300)
    assert is_maximal(draw_maximal(costs, 900.0, np.random.default_rng(1)), costs, 900.0)


def test_parts_of_very_unlike_layers_take_no_luck():
    """Rounded to a share of the capacity the small ones would be nothing, and hardly a draw maximal."""
    costs = np.repeat([1.0, 36.0, 3000.0, 25000.0], 64) * 63
    started = time.perf_counter()
    for seed in range(3):
        assert is_maximal(draw_maximal(costs, 63 * 600_000.0, np.random.default_rng(seed)), costs, 63 * 600_000.0)
    assert time.perf_counter() - started < 10


def test_the_ends_of_the_range_and_other_draws(residual, images):
    problem = Problem(residual, profile(residual, images), lambda model, batch: model(batch).sum())
    assert search(problem, problem.table.floor)[0].full == ()
    assert search(problem, 1.0)[0].binary == ()
    assert len({search(problem, 0.6, seed)[0].full for seed in range(8)}) > 1


def test_more_units_than_a_float64_counts_subsets_of():
    assert draw_maximal(np.ones(1100), 550.0, np.random.default_rng(0)).sum() == 550
