"""One search on all processes of `torch.distributed`, or on the only one there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import distributed

from b2nn.errors import B2nnError

Answer = TypeVar("Answer")


def rank_and_count() -> tuple[int, int]:
    """This process's rank and how many there are; (0, 1) where none are initialised."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def gather(value: Answer) -> list[Answer]:
    """The values of all processes by rank, on every process."""
    count = rank_and_count()[1]
    if count == 1:
        return [value]
    values: list[Any] = [None] * count
    distributed.all_gather_object(values, value)
    return values


def from_first(function: Callable[[], Answer]) -> Answer:
    """Call `function` in the first process only; every process returns its answer or raises its `B2nnError`."""
    outcome = attempt(function) if rank_and_count()[0] == 0 else None
    answer = gather(outcome)[0]
    if isinstance(answer, B2nnError):
        raise answer
    return answer  # type: ignore[return-value]


def attempt(function: Callable[[], Answer]) -> Answer | B2nnError:
    """What `function` returns, or the error of the user that it raises: the other processes must hear of it."""
    try:
        return function()
    except B2nnError as error:
        return error
