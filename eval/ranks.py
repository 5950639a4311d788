"""The processes of `torchrun`, on one machine or several that share the results folder.

Each takes its share of the sequences; the first one gathers what failed, scores and reports.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from datasets.errors import DataError

Item = TypeVar("Item")


@dataclass(frozen=True)
class Ranks:
    """This process among those of `torchrun`.

    Attributes:
        number: of this one, from 0.
        count: how many there are.
        patient: process group for waiting until all have done their shares, which may differ by hours.
    """

    number: int = 0
    count: int = 1
    patient: Any = None

    def share(self, costs: Sequence[int]) -> list[int]:
        """Which of the items that cost so much are this rank's.

        The most costly are dealt first, each to the rank with the least to do so far.
        """
        loads, mine = [0] * self.count, []
        for item in sorted(range(len(costs)), key=lambda item: -costs[item]):
            rank = loads.index(min(loads))
            loads[rank] += costs[item]
            if rank == self.number:
                mine.append(item)
        return mine

    def gathered(self, items: list[Item]) -> list[Item]:
        """All ranks' items in the first rank, in the others their own; returns when all have called it.

        Raises:
            DataError: another rank has died. Its connections close with it, so that nobody waits for it.
        """
        if self.count == 1:
            return items
        from torch import distributed

        everyone: list[Any] | None = [None] * self.count if self.number == 0 else None
        try:
            distributed.gather_object(items, everyone, group=self.patient)
        except RuntimeError as error:
            raise DataError(
                "another process of torchrun has died; what it finished is kept, the same command goes on from there"
            ) from error
        return items if everyone is None else [item for one in everyone for item in one]


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the other ranks where `torchrun` started this process; elsewhere there is one."""
    if "RANK" not in os.environ:
        yield Ranks()
        return
    from torch import distributed

    distributed.init_process_group("gloo")
    try:
        patient = distributed.new_group(timeout=timedelta(days=7))
        yield Ranks(distributed.get_rank(), distributed.get_world_size(), patient)
    finally:
        distributed.destroy_process_group()
