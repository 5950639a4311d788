"""A unit in both precisions at once: what MixBin searches over."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from b2nn.layers import binary_form
from b2nn.recipe import DEFAULT, Recipe


class GatedUnit(nn.Module):
    """z · full(x) + (1 - z) · binary(x), both branches sharing the latent weight.

    Where a BatchNorm follows the unit, each branch has its own, because their outputs are distributed
    differently: z · full_norm(full(x)) + (1 - z) · binary_norm(binary(x)). At z = 1 and z = 0 the result
    equals that of one branch alone, bit for bit (as long as the other is finite).

    Attributes:
        z: the gate, in [0, 1]: a number, or a tensor of no dimensions with its graph. Set it before the
            forward pass.
    """

    def __init__(self, module: nn.Module, full_norm: nn.Module | None = None,
                 binary_norm: nn.Module | None = None, recipe: Recipe = DEFAULT) -> None:
        super().__init__()
        self.full = module
        self.binary = binary_form(module, recipe)
        self.full_norm = full_norm if full_norm is not None else nn.Identity()
        self.binary_norm = binary_norm if binary_norm is not None else nn.Identity()
        self.z: Tensor | float = 1.0
        self.training = module.training

    def forward(self, x: Tensor) -> Tensor:
        return self.z * self.full_norm(self.full(x)) + (1 - self.z) * self.binary_norm(self.binary(x))

    def __getstate__(self) -> dict[str, Any]:
        # A copy keeps the gate's value; its graph belongs to the original, and torch cannot copy it.
        return {**self.__dict__, "z": float(torch.as_tensor(self.z).detach())}
