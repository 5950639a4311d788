"""What only the first of several processes may do, and all must know the outcome of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from mmengine.dist import broadcast_object_list, is_main_process

Answer = TypeVar("Answer")


def from_first(function: Callable[[], Answer]) -> Answer:
    """Call `function` in the first process; every process returns its answer or raises its error."""
    outcome: list[Any] = [None]
    if is_main_process():
        try:
            outcome[0] = function(), None
        except ValueError as error:  # of the user; anything else ends the first process, and with it the others
            outcome[0] = None, error
    broadcast_object_list(outcome)
    answer, error = outcome[0]
    if error is not None:
        raise error
    return answer


def say(text: str) -> None:
    """A line on the screen, from the first process."""
    if is_main_process():
        print(text, flush=True)
