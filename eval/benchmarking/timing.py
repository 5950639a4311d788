"""Contestants take turns, so that a machine that is busy for a while slows all of them, not one.

A round gives each one turn, in an order drawn anew. A turn is one call that is not timed, which brings the contestant's
weights and maps back into the caches, then one call a frame. Its time is their median. What is said of a contestant is
the median over rounds; ratios are taken within a round.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)
Call = Callable[[], object]


def rounds_within(rounds: int, seconds: float | None, now: Callable[[], float] = time.monotonic) -> Iterator[int]:
    """Numbers of rounds, from 0; none begins when the seconds are over, but the first always does."""
    start = now()
    for number in range(rounds):
        if number and seconds is not None and now() - start >= seconds:
            return
        yield number


def clock_for(threads: int) -> Callable[[], float]:
    """On one thread the thread's own CPU time, which leaves out what other processes took; wall time on several."""
    return time.thread_time if threads == 1 else time.perf_counter


def measure(calls: Mapping[Key, Sequence[Call]], rounds: Iterable[object], seed: int, clock: Callable[[], float],
            samples: MutableMapping[Key, list[float]]) -> None:
    """Give each contestant one turn in each round.

    Args:
        calls: what each one does in a turn, one call a frame.
        rounds: how many.
        seed: of the order.
        samples: gets the seconds of a call, for each contestant one figure a round, and only of whole rounds: what was
            measured before Ctrl-C stays comparable.
    """
    rng = np.random.default_rng(seed)
    keys = list(calls)
    samples.update({key: [] for key in keys})
    for _ in rounds:
        turns = {keys[place]: _turn(calls[keys[place]], clock) for place in rng.permutation(len(keys))}
        for key, seconds in turns.items():
            samples[key].append(seconds)


def fastest(candidates: Sequence[Sequence[Call]], clock: Callable[[], float], rounds: int = 3) -> int:
    """The place of the candidate with the least turn."""
    samples: dict[int, list[float]] = {}
    measure(dict(enumerate(candidates)), range(rounds), 0, clock, samples)
    return min(samples, key=lambda place: min(samples[place]))


def _turn(calls: Sequence[Call], clock: Callable[[], float]) -> float:
    calls[0]()
    spent = []
    for call in calls:
        start = clock()
        call()
        spent.append(clock() - start)
    return statistics.median(spent)
