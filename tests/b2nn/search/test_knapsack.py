import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from b2nn.search.knapsack import fill, fits, solve

ITEMS = st.lists(st.tuples(st.integers(-3, 12), st.integers(0, 12)), min_size=0, max_size=9)


@settings(max_examples=60, deadline=None)
@given(ITEMS, st.floats(0, 1), st.sampled_from([1.0, 0.1, 1e9, 3e-7]))
def test_equal_to_brute_force_and_never_over_capacity(items, share, unit):
    values = np.array([value for value, _ in items], dtype=float)
    costs = np.array([cost for _, cost in items], dtype=float) * unit
    capacity = share * costs.sum()
    chosen = solve(values, costs, capacity)
    assert chosen.dtype == bool and fits(chosen, costs, capacity)
    subsets = (np.array(mask, dtype=bool) for mask in itertools.product([False, True], repeat=len(items)))
    best = max((values[mask].sum() for mask in subsets if fits(mask, costs, capacity)), default=0)
    assert values[chosen].sum() == pytest.approx(best)


@settings(max_examples=40, deadline=None)
@given(ITEMS.filter(len), st.data())
def test_a_set_that_fills_the_capacity_exactly_fits(items, data):
    """Costs of tenths do not add up exactly in floating point; their own exact sum is still allowed."""
    costs = np.array([cost for _, cost in items]) * 0.1
    wanted = np.array(data.draw(st.lists(st.booleans(), min_size=len(items), max_size=len(items))))
    chosen = solve(np.where(wanted, 10.0, 0.0), costs, math.fsum(costs[wanted]))
    assert (chosen == wanted).all()


def test_one_unit_in_the_last_place_too_much_does_not_fit():
    costs = np.array([1.0, 2.0])
    assert solve(np.array([1.0, 1.0]), costs, 3.0).all()
    assert solve(np.array([1.0, 5.0]), costs, math.nextafter(3.0, 0)).tolist() == [False, True]


def test_free_items_are_taken_and_worthless_ones_are_not():
    chosen = solve(np.array([1.0, 0.0, -1.0, 2.0]), np.array([0.0, 0.0, 0.0, 5.0]), 4.0)
    assert chosen.tolist() == [True, False, False, False]
    assert not solve(np.ones(2), np.ones(2), -1.0).any()


@pytest.mark.parametrize("count", [0, 1, 7, 20])
def test_ties_go_to_the_first(count):
    chosen = solve(np.ones(20), np.full(20, 3.0), 3.0 * count + 1)
    assert chosen.tolist() == [True] * count + [False] * (20 - count)


def test_fill_adds_the_most_preferred_that_fits():
    costs = np.array([4.0, 3.0, 2.0, 1.0])
    start = np.array([False, False, True, False])
    assert fill(start, np.array([9.0, 5.0, 1.0, 2.0]), costs, 5.0).tolist() == [False, True, True, False]
    assert fill(start, np.zeros(4), costs, 6.0).tolist() == [True, False, True, False]
    assert start.tolist() == [False, False, True, False]
