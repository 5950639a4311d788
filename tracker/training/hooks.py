"""mmengine hooks of the phases: progress on the screen, MixBin's schedule, bounded latent weights."""

from __future__ import annotations

import time

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from b2nn.convert import clip_latent_, latent_weights, set_progress
from b2nn.search.relaxation import Relaxation


class ProgressHook(Hook):
    """A bar with loss and remaining time; where the output is no terminal, a line at every tenth."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("loss {task.fields[loss]}"),
            TimeElapsedColumn(), TimeRemainingColumn(), console=self.console, transient=False,
            disable=not (self.console.is_terminal and is_main_process()),
        )

    def before_train(self, runner) -> None:
        self.task = self.progress.add_task(self.label, total=runner.max_iters, completed=runner.iter, loss="-")
        self.progress.start()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        loss = f"{outputs['loss'].item():.3f}" if outputs else "-"
        done = batch_idx + 1
        self.progress.update(self.task, completed=done, loss=loss)
        if not self.console.is_terminal and is_main_process() and done % max(1, runner.max_iters // 10) == 0:
            left = runner.message_hub.get_info("eta") if "eta" in runner.message_hub.runtime_info else None
            remaining = f", {left:.0f} s left" if left else ""
            print(f"{self.label}: {done}/{runner.max_iters}, loss {loss}{remaining}", flush=True)

    def stop(self) -> None:
        """Give the terminal back, also after an error or Ctrl-C."""
        self.progress.stop()


class ClockHook(Hook):
    """Seconds of training, those before an interruption included."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def before_train(self, runner) -> None:
        self.started = time.perf_counter() - self.seconds

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.seconds = time.perf_counter() - self.started

    def before_save_checkpoint(self, runner, checkpoint) -> None:
        checkpoint["seconds"] = self.seconds

    def after_load_checkpoint(self, runner, checkpoint) -> None:
        self.seconds = checkpoint["seconds"]


class LatentWeightHook(Hook):
    """Keeps latent weights where the sign's gradient estimator is not zero."""

    def __init__(self, network) -> None:
        self.network = network
        self.active = bool(latent_weights(network))

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if self.active:
            clip_latent_(self.network)


class BinaryProgressHook(Hook):
    """Tells binary layers how far the phase is. That depends on the iteration alone, so resuming changes nothing."""

    def __init__(self, network) -> None:
        self.network = network

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        set_progress(self.network, batch_idx / runner.max_iters)

    def after_train(self, runner) -> None:
        set_progress(self.network, 1.0)


class RelaxationHook(Hook):
    """Drives MixBin's continuation schedule, keeps the gates' history and ends the search once they have decided."""

    def __init__(self, relaxation: Relaxation, interval: int) -> None:
        self.relaxation, self.interval = relaxation, interval

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        self.relaxation.set_progress(batch_idx / max(1, runner.max_iters - 1))

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        decided = self.relaxation.crisp()
        if decided or batch_idx % self.interval == 0 or batch_idx + 1 == runner.max_iters:
            self.relaxation.record(batch_idx)
        if decided:
            runner.train_loop.stop_training = True

    def before_save_checkpoint(self, runner, checkpoint) -> None:
        checkpoint["gates"] = self.relaxation.trace()

    def after_load_checkpoint(self, runner, checkpoint) -> None:
        self.relaxation.resume_trace(checkpoint["gates"])


