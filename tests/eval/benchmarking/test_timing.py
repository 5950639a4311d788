"""Turns and rounds, on a clock that only calls move on."""

from itertools import groupby

import pytest

from eval.benchmarking.timing import fastest, measure, rounds_within


def test_a_turn_is_one_untimed_call_and_then_the_median_of_one_call_a_frame(clock):
    samples = {}
    first = clock.taking(50.0, 3.0)  # the untimed call is one of the first frame
    measure({"a": [first, clock.taking(1.0), clock.taking(9.0)]}, range(1), 0, clock, samples)
    assert samples == {"a": [3.0]}


def test_each_has_one_turn_in_each_round_and_the_order_changes(clock):
    calls = {name: [clock.taking(1.0, name=name)] * 2 for name in "abc"}
    measure(calls, range(20), 0, clock, {})
    assert len(clock.made) == 20 * 3 * 3
    turns = [clock.made[place] for place in range(0, len(clock.made), 3)]
    assert all(len(set(clock.made[place:place + 3])) == 1 for place in range(0, len(clock.made), 3))
    rounds = ["".join(turns[place:place + 3]) for place in range(0, len(turns), 3)]
    assert {"".join(sorted(one)) for one in rounds} == {"abc"}
    assert len(set(rounds)) > 3
    assert len(list(groupby(turns))) > 40


def test_the_same_seed_draws_the_same_order(clock):
    calls = {name: [clock.taking(1.0, name=name)] for name in "abc"}
    orders = []
    for seed in (1, 1, 2):
        clock.made.clear()
        measure(calls, range(5), seed, clock, {})
        orders.append("".join(clock.made))
    assert orders[0] == orders[1] != orders[2]


def test_only_whole_rounds_count_after_an_interruption(clock):
    def interrupt(countdown=[4]):  # noqa: B006
        countdown[0] -= 1
        if not countdown[0]:
            raise KeyboardInterrupt

    samples = {}
    with pytest.raises(KeyboardInterrupt):
        measure({"a": [clock.taking(1.0)], "b": [interrupt]}, range(9), 0, clock, samples)
    assert samples == {"a": [1.0], "b": [0.0]}


def test_no_round_begins_when_the_time_is_over_but_the_first_always_does():
    times = iter([0.0, 4.0, 8.0, 12.0])
    assert list(rounds_within(9, 10.0, lambda: next(times))) == [0, 1, 2]
    times = iter([0.0, 100.0])
    assert list(rounds_within(9, 10.0, lambda: next(times))) == [0]
    assert list(rounds_within(3, None)) == [0, 1, 2]


def test_the_fastest_has_the_least_turn(clock):
    slow, quick = [clock.taking(3.0)], [clock.taking(2.0)]
    assert fastest([slow, quick], clock) == 1
    assert fastest([quick, slow, slow], clock) == 0
