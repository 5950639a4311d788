"""How long each step of a packed program takes on this machine."""

from __future__ import annotations

import ctypes
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from b2nn.packed import reference
from b2nn.packed.layouts import Layouts
from b2nn.packed.library import library
from b2nn.packed.network import PackedNetwork
from b2nn.packed.prepared import Prepared
from b2nn.packed.program import Conv, Program
from b2nn.packed.step import Step

ROUNDS = 40


class StepTimes(NamedTuple):
    """Seconds of one run.

    Attributes:
        convs: by the weight's `id`; convs that share a weight are one.
        whole: of everything, convs and what is around them.
    """

    convs: dict[int, float]
    whole: float


@torch.inference_mode()
def step_times(program: Program, inputs: Sequence[Any], rounds: int = ROUNDS,
               pick: Callable[[list[float]], float] = statistics.median) -> StepTimes:
    """By default medians over rounds, in each of which the program runs as it always does and then step by step.

    On one thread it is the thread's own CPU time, which leaves out other processes; on several it is wall time.

    Args:
        inputs: arguments of the program.
        pick: the figure of several that counts.
    """
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    usual = PackedNetwork({"forward": program})
    stepwise, spent = _stepwise(program, inputs, clock)
    whole: list[float] = []
    convs: dict[int, list[float]] = defaultdict(list)
    for _ in range(rounds + 1):
        usual(*inputs)  # brings weights and maps back into the caches
        start = clock()
        usual(*inputs)
        whole.append(clock() - start)
        spent.clear()
        stepwise()
        for key, seconds in spent.items():
            convs[key].append(seconds)
    return StepTimes({key: pick(times[1:]) for key, times in convs.items()}, pick(whole[1:]))


def _stepwise(program: Program, inputs: Sequence[Any], clock: Callable[[], float]
              ) -> tuple[Callable[[], object], dict[int, float]]:
    """What runs the program step by step, and where it adds the seconds of each conv."""
    spent: dict[int, float] = defaultdict(float)
    found = library()
    if found is None:
        return lambda: _reference(program, inputs, clock, spent), spent
    watch = _Stopwatch(found.functions, clock, spent)
    layouts = Layouts(replace(found, functions=watch))
    prepared = Prepared(program, inputs, layouts)
    for step in program.steps:
        if isinstance(step, Conv):
            watch.keys[layouts.weights(step).data.ctypes.data] = id(step.weight)
    return lambda: prepared(inputs), spent


def _reference(program: Program, inputs: Sequence[Any], clock: Callable[[], float], spent: dict[int, float]) -> None:
    before = clock()

    def on_step(step: Any, _values: dict[str, Any]) -> None:
        nonlocal before
        now = clock()
        if isinstance(step, Conv):
            spent[id(step.weight)] += now - before
        before = clock()

    reference.run(program, inputs, on_step)


class _Stopwatch:
    """The kernels' functions, of which the one that runs a list of steps does so one by one.

    Attributes:
        keys: under which the time of a step counts, by the address of its weights.
    """

    def __init__(self, functions: Any, clock: Callable[[], float], spent: dict[int, float]) -> None:
        self._functions, self._clock, self._spent = functions, clock, spent
        self.keys: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._functions, name)

    def bk_run(self, address: int, count: int, threads: int) -> None:
        run, clock = self._functions.bk_run, self._clock
        for place in range(address, address + count * ctypes.sizeof(Step), ctypes.sizeof(Step)):
            start = clock()
            run(place, 0, threads)  # a call that does nothing, to be subtracted
            between = clock()
            run(place, 1, threads)
            end = clock()
            key = self.keys.get(Step.from_address(place).weight)
            if key is not None:
                self._spent[key] += max(0.0, end - between - (between - start))
