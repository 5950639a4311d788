"""Pairs in a fixed order, and a loop that can enter it anywhere: a resumed run sees what a straight one sees."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.dist import get_dist_info
from mmengine.runner import IterBasedTrainLoop
from torch.utils.data import DataLoader, Dataset, Sampler


class ForwardSampler(Sampler[int]):
    """Indices 0, 1, 2, ... of this rank's share of every batch, from iteration `start` on.

    Args:
        iterations: batches in all.
        batch_size: pairs a batch and rank.
    """

    def __init__(self, iterations: int, batch_size: int) -> None:
        self.iterations, self.batch_size = iterations, batch_size
        self.rank, self.world = get_dist_info()
        self.start = 0

    def __iter__(self) -> Iterator[int]:
        for iteration in range(self.start, self.iterations):
            first = (iteration * self.world + self.rank) * self.batch_size
            yield from range(first, first + self.batch_size)

    def __len__(self) -> int:
        return (self.iterations - self.start) * self.batch_size


def pair_loader(dataset: Dataset, iterations: int, batch_size: int, workers: int) -> DataLoader:
    """Batches of `dataset`, whose length must cover all ranks.

    Workers are spawned: a child forked after torch has run on several threads can hang.
    """
    return DataLoader(
        dataset, batch_size=batch_size, sampler=ForwardSampler(iterations, batch_size), num_workers=workers,
        multiprocessing_context="spawn" if workers else None, prefetch_factor=4 if workers else None, drop_last=True,
    )


class PairTrainLoop(IterBasedTrainLoop):
    """mmengine's loop over iterations, but it resumes by moving the sampler instead of reading the past again."""

    def run(self):
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        self.dataloader.sampler.start = self._iter
        with _interrupts_ignored():
            batches = iter(self.dataloader)
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(batches))
        # Left to the garbage collector, the workers' end would swallow a Ctrl-C that arrives meanwhile.
        if hasattr(batches, "_shutdown_workers"):
            batches._shutdown_workers()
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        return self.runner.model


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Processes started meanwhile leave Ctrl-C to this one, which ends them in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
