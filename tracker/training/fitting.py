"""What all phases share: pairs to learn from, and a network that learns from them."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from mmengine.dist import get_world_size
from torch.utils.data import DataLoader

from b2nn.convert import reestimate_batchnorm
from datasets.pairs import PairDataset
from tracker.models import Network
from tracker.training.job import Job, section
from tracker.training.loop import pair_loader
from tracker.training.module import PairTrainer
from tracker.training.phase import PhaseSettings, run_phase
from tracker.training.teacher import MimicTrainer
from tracker.validation import pair_options

BATCHNORM_BATCHES = 30
# Each draws its pairs from a stream of its own; the place in this list is part of the seed.
STREAMS = ("fp", "search", "finetune", "mimic", "width")


def unfrozen(network: Network) -> Network:
    """A copy to train, on the CPU; phases move it."""
    return copy.deepcopy(network).cpu().requires_grad_(True)


def fit(job: Job, phase: str, folder: Path, label: str, trainer: PairTrainer | MimicTrainer,
        iterations: int | None = None) -> float:
    """A phase, then BatchNorm statistics of the averaged weights (unless its section asks for none); returns the
    phase's seconds.

    Args:
        folder: of the phase.
        label: what the progress says.
        iterations: other than those of the phase's section.
    """
    options = section(job.config, phase)
    iterations = iterations or options.iterations
    settings = PhaseSettings(iterations, options.lr, options.weight_decay, options.get("kernel_lr"),
                             options.get("latent_decay", 0.0), ema=job.config.runtime.ema)
    if job.config.runtime.compile and trainer.relaxation is None:
        compile_parts(trainer.network)
    seconds = run_phase(trainer, settings, loader(job, phase, iterations), folder, label, job.config.runtime, job.seed,
                        job.device)

    def forward(batch: dict[str, torch.Tensor]) -> None:
        trainer(**{key: value.to(job.device) for key, value in batch.items()})

    count = options.get("batchnorm_batches")
    if count is None:
        count = BATCHNORM_BATCHES
    if count:
        with torch.compiler.set_stance("force_eager"):  # too few passes to compile anew for
            reestimate_batchnorm(trainer.network, loader(job, phase, count), forward)
    trainer.network.cpu()
    return seconds


def compile_parts(network: Network) -> None:
    """Let torch.compile fuse what a network's parts compute, each for every shape it meets.

    Part by part, because a network is asked for features and responses, never called itself. Copies are not compiled.
    """
    for part in network.children():
        part.compile(dynamic=False)


def loader(job: Job, phase: str, iterations: int) -> DataLoader:
    """Exactly so many batches of a phase."""
    data = job.config.data
    dataset = pairs(job, phase, iterations * data.batch_size * get_world_size())
    return pair_loader(dataset, iterations, data.batch_size, data.workers)


def pairs(job: Job, phase: str, count: int) -> PairDataset:
    """The first `count` pairs of a phase; methods of one phase draw the same."""
    seed = job.seed * 10 + STREAMS.index(phase)
    weights = [job.config.data.weights[cache.folder.name.split("-")[0]] for cache in job.caches]
    return PairDataset(job.caches, count, seed, pair_options(job.config, phase), weights, job.objects)
