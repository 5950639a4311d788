"""Activations for networks that mix full-precision and binary units, by name."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from b2nn.errors import B2nnError


class BinReLU(nn.Module):
    """max(x, -1): the identity above -1.

    From the paper: the first version of arXiv 2211.06739 (MixBin: Towards Budgeted Binarization) proposes an
    activation of this name to be effective for both kinds of unit, in networks binarized not at all, partly
    or wholly. Its formula was not at hand. Our reading: like ReLU it passes large values and cuts off
    negative ones, but only at -1, so that both signs survive for the sign function of a binary unit that
    follows.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(min=-1)


class RPReLU(nn.Module):
    """PReLU(x - γ) + ζ with slope, γ and ζ learned per channel; ReActNet, arXiv 2003.03488.

    Starts as a PReLU of slope 0.25. Input is (N, channels, ...).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.slope = nn.PReLU(channels)
        self.shift_in = nn.Parameter(torch.zeros(channels))  # γ
        self.shift_out = nn.Parameter(torch.zeros(channels))  # ζ

    def forward(self, x: Tensor) -> Tensor:
        per_channel = (-1, *[1] * (x.ndim - 2))
        return self.slope(x - self.shift_in.view(per_channel)) + self.shift_out.view(per_channel)


ACTIVATIONS = ("relu", "prelu", "rprelu", "binrelu")


def activation(name: str, channels: int) -> nn.Module:
    """The activation called `name`, one of `ACTIVATIONS`, for (N, channels, ...) maps; else `B2nnError`."""
    if name == "relu":
        return nn.ReLU(inplace=True)
    if name == "prelu":
        return nn.PReLU(channels)
    if name == "rprelu":
        return RPReLU(channels)
    if name == "binrelu":
        return BinReLU()
    raise B2nnError(f"activation {name!r} is unknown; choose one of {', '.join(ACTIVATIONS)}")
