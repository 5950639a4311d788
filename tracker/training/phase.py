"""One phase of training: an mmengine Runner in a folder of its own, which can be killed and resumed."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank, is_distributed
from mmengine.hooks import EMAHook, Hook
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import CosineAnnealingLR, LinearLR, OptimWrapper
from mmengine.runner import CheckpointLoader, Runner
from torch.utils.data import DataLoader

from tracker.training.hooks import BinaryProgressHook, ClockHook, LatentWeightHook, ProgressHook, RelaxationHook
from tracker.training.loop import PairTrainLoop
from tracker.training.module import PairTrainer, parameter_groups
from tracker.training.teacher import MimicTrainer

WARMUP = 0.1  # share of the iterations over which the learning rate rises


@dataclass(frozen=True)
class PhaseSettings:
    """Schedule of a phase: AdamW, linear warm-up, cosine to zero.

    Attributes:
        iterations: batches.
        lr, weight_decay: of the weights; decay is for real-valued kernels alone.
        kernel_lr: of real-valued kernels; None: `lr`.
        latent_decay: weight decay of the latent weights of binary layers.
        gate_lr: of MixBin's gates, constant.
        ema: decay of the averaged weights that the phase returns, less in a short phase, see `averaging_momentum`;
            0 returns the last ones.
    """

    iterations: int
    lr: float
    weight_decay: float
    kernel_lr: float | None = None
    latent_decay: float = 0.0
    gate_lr: float = 0.0
    ema: float = 0.0


def averaging_momentum(settings: PhaseSettings) -> float:
    """Weight of the newest weights in the average, 1 to return the last ones.

    With a decay fit for long training the average of a short phase would be mostly what the phase began with, so the
    start's share is kept below e^-6 = .25 %.
    """
    return min(1.0, max(1 - settings.ema, 6 / settings.iterations)) if settings.ema else 1.0


def run_phase(trainer: PairTrainer | MimicTrainer, settings: PhaseSettings, loader: DataLoader, folder: Path,
              label: str, runtime: dict[str, Any], seed: int, device: torch.device) -> float:
    """Train `trainer` in place, going on from the newest checkpoint in `folder`.

    Args:
        loader: exactly `settings.iterations` batches.
        folder: for checkpoints and mmengine's own files.
        label: what the progress bar says.
        runtime: fields checkpoint_interval, log_interval of the configuration.

    Returns:
        Seconds of training, those before interruptions included.
    """
    groups = parameter_groups(trainer, settings.lr, settings.weight_decay, settings.gate_lr, settings.kernel_lr,
                              settings.latent_decay)
    optimizer = torch.optim.AdamW(groups, lr=settings.lr)
    progress, clock = ProgressHook(label), ClockHook()
    hooks: list[Hook] = [progress, clock, BinaryProgressHook(trainer.network), LatentWeightHook(trainer.network)]
    if trainer.relaxation is not None:
        hooks.append(RelaxationHook(trainer.relaxation, runtime["log_interval"]))
    momentum = averaging_momentum(settings)
    averaging = EMAHook(momentum=momentum) if momentum < 1 else None
    if averaging:
        hooks.append(averaging)
    checkpoint = newest_checkpoint(folder)
    CheckpointLoader.register_scheme(prefixes="", loader=load_from_run, force=True)
    runner = Runner(
        model=_distributed(trainer, device),
        work_dir=str(folder),
        train_dataloader=loader,
        train_cfg=dict(type=PairTrainLoop, max_iters=settings.iterations),
        optim_wrapper=OptimWrapper(optimizer),
        param_scheduler=_schedule(optimizer, settings, gates=trainer.relaxation is not None),
        default_hooks=dict(
            checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=runtime["checkpoint_interval"],
                            max_keep_ckpts=2),
            logger=dict(type="LoggerHook", interval=runtime["log_interval"], log_metric_by_epoch=False),
        ),
        custom_hooks=hooks,
        log_processor=dict(by_epoch=False, window_size=runtime["log_interval"]),
        log_level="ERROR",
        load_from=str(checkpoint) if checkpoint else None,
        resume=checkpoint is not None,
        launcher="pytorch" if is_distributed() else "none",
        randomness=dict(seed=seed),
        # Names are global in mmengine; two runners of one process must not share a message hub.
        experiment_name=f"{label.replace(' ', '-')}-{uuid.uuid4().hex[:8]}",
    )
    with _log_to(folder.parent / "log.txt", runner.logger):
        try:
            runner.train()
        finally:
            progress.stop()
    if averaging:
        trainer.load_state_dict(averaging.ema_model.module.state_dict())
    return clock.seconds


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that can be read whole; a kill may have left a newer half."""
    def iteration(path: Path) -> int:
        return int(path.stem.removeprefix("iter_"))

    for path in sorted(folder.glob("iter_*.pth"), key=iteration, reverse=True):
        try:
            load_from_run(str(path), "cpu")
        except Exception:  # whatever torch says of half a file, the one before it will do
            continue
        return path
    return None


def load_from_run(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint that a runner wrote; it holds optimizer and loop state beyond tensors.

    torch 2.6 made `weights_only` the default, which mmengine 0.10 does not know
    (open-mmlab/mmengine#1655). Files that users hand in never come this way.
    """
    return torch.load(filename, map_location=map_location, weights_only=False)


def _distributed(trainer: PairTrainer | MimicTrainer, device: torch.device) -> torch.nn.Module:
    trainer.to(device).to(memory_format=torch.channels_last)
    if not is_distributed():
        return trainer
    # mmengine's own wrapping names a device id, which processes on a CPU do not have.
    return MMDistributedDataParallel(
        trainer, device_ids=[device.index or 0] if device.type == "cuda" else None, broadcast_buffers=False)


def _schedule(optimizer: torch.optim.Optimizer, settings: PhaseSettings, gates: bool) -> list | None:
    """Warm-up and cosine; the search keeps its rates, or the gates would stop before they decide."""
    if gates:
        return None
    warmup = max(1, round(WARMUP * settings.iterations))
    return [
        LinearLR(optimizer, start_factor=0.05, begin=0, end=warmup, by_epoch=False),
        CosineAnnealingLR(optimizer, T_max=max(1, settings.iterations - warmup), begin=warmup,
                          end=max(warmup + 1, settings.iterations), by_epoch=False),
    ]


@contextmanager
def _log_to(path: Path, logger: logging.Logger) -> Iterator[None]:
    """The runner's lines go to the run's log; the screen shows the progress bar and errors."""
    if get_rank() != 0:
        yield
        return
    file = logging.FileHandler(path)
    file.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"))
    logger.addHandler(file)
    try:
        yield
    finally:
        logger.removeHandler(file)
        file.close()
