"""What mmengine trains: a network, the losses of a pair of crops, and what it may learn from a teacher."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from b2nn.convert import latent_weights
from b2nn.recipe import DEFAULT, Recipe
from b2nn.regularizers import kurtosis_loss
from b2nn.search.relaxation import Relaxation
from tracker import losses, targets
from tracker.losses import Distillation
from tracker.models import Network, Predictions, SiamFC


class PairTrainer(BaseModel):
    """Turns a batch of pairs into losses.

    Args:
        network: what is trained.
        precision: ``float32`` or ``bfloat16``, of the forward and backward passes; weights stay float32.
        teacher: frozen full-precision network, with `distillation` the weights of what is learned from it.
        relaxation: MixBin's gates over the network's units, trained along in the search phase.
        recipe: what the loss asks of latent weights.
    """

    def __init__(self, network: Network, precision: str = "float32", teacher: Network | None = None,
                 distillation: Distillation | None = None, relaxation: Relaxation | None = None,
                 recipe: Recipe = DEFAULT) -> None:
        super().__init__()
        self.network = network
        self.relaxation = relaxation
        self.recipe = recipe
        self.dtype = getattr(torch, precision)
        self.distillation = distillation
        # In a tuple, so that the teacher is neither trained nor saved nor averaged with the student.
        self._teacher = (teacher.eval().requires_grad_(False),) if teacher is not None and distillation else ()

    def forward(self, template: Tensor, search: Tensor, box: Tensor, positive: Tensor,
                mode: str = "loss") -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            template, search: (B, 3, 127, 127) and (B, 3, 255, 255) uint8 BGR crops.
            box: (B, 4) x1, y1, x2, y2 of the target in the search crop, pixels.
            positive: (B,) 1 where the search crop shows the template's target, else 0.
            mode: mmengine's name of the call; only ``loss`` is asked for.
        """
        template, search = _images(template), _images(search)
        if self.relaxation is not None:
            self.relaxation.set_gates()
        predictions, features, stages = self._predict(self.network, template, search)
        result = self._task(predictions, box, positive)
        if self._teacher:
            with torch.no_grad():
                wanted, teacher_features, teacher_stages = self._predict(
                    self._teacher[0].to(search.device), template, search)
            result |= losses.distill(predictions, wanted, features, teacher_features, self.distillation)
            if self.distillation.blocks:
                result["loss_blocks"] = self.distillation.blocks * losses.block_error(stages, teacher_stages)
        if self.recipe.kurtosis:
            result["loss_kurtosis"] = self.recipe.kurtosis * kurtosis_loss(self.network, self.recipe.kurtosis_target)
        if self.relaxation is not None:
            result["loss_gates"] = self.relaxation.regularizer()
        return result

    def _predict(self, network: Network, template: Tensor, search: Tensor,
                 ) -> tuple[Predictions | Tensor, Tensor, list[Tensor]]:
        """Predictions, the search crop's features and, where the teacher's are to be met, its stages' maps."""
        names = network.backbone.stages if self.distillation and self.distillation.blocks else ()
        with torch.autocast(search.device.type, self.dtype, enabled=self.dtype != torch.float32):
            with outputs_of(network.backbone, names) as stages:
                features = network.features(search)
            predictions = network.respond(network.embed(template), features)
        return (predictions.float() if isinstance(predictions, Tensor) else predictions), features, stages

    def _task(self, predictions: Predictions | Tensor, box: Tensor, positive: Tensor) -> dict[str, Tensor]:
        if isinstance(self.network, SiamFC):
            centre = self.network.config.search_size / 2
            labels = targets.logistic_map(box, positive, predictions.shape[-1], self.network.stride, centre)
            return {"loss_cls": losses.balanced_cross_entropy(predictions, labels)}
        return losses.anchor_free(predictions, targets.anchor_free(box, positive, self.network.grid()))


def parameter_groups(trainer: BaseModel, lr: float, weight_decay: float, gate_lr: float = 0.0,
                     kernel_lr: float | None = None, latent_decay: float = 0.0) -> list[dict]:
    """Groups for AdamW, gates last: `weight_decay` only for real-valued kernels, none for norms, biases, gates.

    Args:
        lr: of latent weights, scales, norms, biases.
        kernel_lr: of real-valued kernels, those under gates apart; None: `lr`.
        latent_decay: weight decay of latent weights. It pulls them towards zero, where signs flip by chance.
    """
    latent = {id(weight) for weight in latent_weights(trainer.network)}
    # While gates are open every unit's weight may yet become bits.
    undecided = {id(weight) for weight in trainer.relaxation.latent_weights()} if trainer.relaxation else set()
    decay, free, bits, gates = [], [], [], []
    for name, parameter in trainer.named_parameters():
        if name == "relaxation.psi":
            gates.append(parameter)
        elif id(parameter) in latent:
            bits.append(parameter)
        elif parameter.ndim > 1 and id(parameter) not in undecided:
            decay.append(parameter)
        else:
            free.append(parameter)
    groups = [dict(params=decay, lr=kernel_lr or lr, weight_decay=weight_decay),
              dict(params=free, lr=lr, weight_decay=0.0),
              dict(params=bits, lr=lr, weight_decay=latent_decay),
              dict(params=gates, lr=gate_lr, weight_decay=0.0)]
    return [group for group in groups if group["params"]]


@contextmanager
def outputs_of(module: nn.Module, names: Iterable[str]) -> Iterator[list[Tensor]]:
    """The outputs, in the order of execution, of the named parts of `module` while the context lasts.

    Hooks that stayed would be copied along with the module, and b2nn binarizes no layer that has one.
    """
    outputs: list[Tensor] = []
    hooks = [module.get_submodule(name).register_forward_hook(lambda _part, _inputs, output: outputs.append(output))
             for name in names]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _images(crops: Tensor) -> Tensor:
    return crops.float().contiguous(memory_format=torch.channels_last)
