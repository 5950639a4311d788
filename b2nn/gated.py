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
        z: the gate, in [0, 1]: a number, or a tensor with its graph, of no dimensions or (out,) with a gate for each
            output channel. Set it before the forward pass.
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
        full, binary = self.full_norm(self.full(x)), self.binary_norm(self.binary(x))
        # A replica of DataParallel finds the gate on the first device.
        z = self.z.to(full.device) if isinstance(self.z, Tensor) else self.z
        rest = 1 - z
        if isinstance(z, Tensor) and isinstance(rest, Tensor) and z.ndim:
            shape = (-1, 1, 1) if self.binary.weight.ndim == 4 else (-1,)
            # Unlike a scalar a vector would widen the outputs under autocast.
            z, rest = z.view(shape).to(full.dtype), rest.view(shape).to(full.dtype)
        return z * full + rest * binary

    @torch.no_grad()
    def finished_norm(self, bits: Tensor) -> nn.Module:
        """The norm that is left when the channels `bits`, (out,) bool, are binary: each channel's from its branch."""
        if bits.all():
            return self.binary_norm
        for name in ("weight", "bias", "running_mean", "running_var"):
            kept, other = (getattr(norm, name, None) for norm in (self.full_norm, self.binary_norm))
            if kept is not None and other is not None:
                kept[bits] = other[bits]
        return self.full_norm

    def __getstate__(self) -> dict[str, Any]:
        # A copy keeps the gate's value; its graph belongs to the original, and torch cannot copy it.
        z = torch.as_tensor(self.z).detach()
        return {**self.__dict__, "z": z if z.ndim else float(z)}
