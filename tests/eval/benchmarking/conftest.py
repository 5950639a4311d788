"""Contestants without trackers, and a clock that only calls move on."""

from __future__ import annotations

import pytest

from eval.benchmarking.contestants import Contestant


class Clock:
    """Tells seconds; `taking(t)` is a call that takes t seconds and is noted by `name`."""

    def __init__(self) -> None:
        self.now, self.made = 0.0, []

    def __call__(self) -> float:
        return self.now

    def taking(self, *seconds: float, name: str = "") -> object:
        durations = iter(seconds * 100)

        def call() -> None:
            self.made.append(name)
            self.now += next(durations)

        return call


@pytest.fixture
def clock() -> Clock:
    return Clock()


def contestant(name: str, precision: str = "float32", budget: float | None = None, *digests: str) -> Contestant:
    return Contestant(name, precision, start=None, budget=budget, digests=digests)


@pytest.fixture
def fp_and_mix() -> list[Contestant]:
    return [contestant("fp, torch", "float32", None, "aa", "ab"), contestant("mix, packed", "int8", 0.3),
            contestant("mix, torch", "float32", 0.3, "ba", "bb")]
