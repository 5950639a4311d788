"""Binary convolution and linear layer: y = α · (sign(x - b) * sign(w)) + bias.

b is a learned shift per input channel, α a scale per output channel. Padding is 0 after the sign, neither +1
nor -1. Without autocast the sums of ±1 are exact integers. Under bfloat16 autocast they are rounded to its 8
bits (exact up to 256), like every other value of such a pass: train so if you like, but compare with a packed
kernel in float32.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from b2nn.activations import activation
from b2nn.errors import B2nnError, UnsupportedModule
from b2nn.quantizers import binary_sign, slope, weight_sign

__all__ = ["SCALES", "BinaryConv2d", "BinaryLinear", "BinaryUnit", "activation", "binary_form"]

SCALES = ("mean", "learned")


class BinaryUnit(nn.Module):
    """What the binary conv and linear layers share. `weight` is the latent weight that training moves.

    Attributes:
        shift: (in,) b; starts at 0.
        scale: (out,) α, learned, where ``scale="learned"``: starts at the mean of \\|w\\| per output channel.
            With ``scale="mean"`` there is no such parameter and α is that mean at every forward pass, as in
            XNOR-Net (arXiv 1603.05279); gradients flow through it to the latent weight.
    """

    weight: Tensor
    shift: nn.Parameter
    scale: nn.Parameter | None
    estimator: str

    def alpha(self) -> Tensor:
        """The scale of each output channel, (out,)."""
        return self.weight.abs().flatten(1).mean(1) if self.scale is None else self.scale

    def extra_repr(self) -> str:
        scale = "mean" if self.scale is None else "learned"
        return f"{super().extra_repr()}, estimator={self.estimator}, scale={scale}"

    def _binarize(self, inputs: int, estimator: str, scale: str) -> None:
        """Add what a binary layer has beyond `weight` and `bias`."""
        slope(estimator)
        if scale not in SCALES:
            raise B2nnError(f"scale {scale!r} is unknown; choose one of {', '.join(SCALES)}")
        self.estimator = estimator
        self.shift = nn.Parameter(self.weight.new_zeros(inputs))
        self.register_parameter("scale", None)
        if scale == "learned":
            self.scale = nn.Parameter(self.alpha().detach().clone())

    def _adopt(self, module: nn.Module, estimator: str, scale: str) -> None:
        """Take over the parameters of the full-precision `module`, the same objects, and its mode."""
        for name in ("weight", "bias"):
            self.register_parameter(name, module._parameters[name])
        self._binarize(len(self.shift), estimator, scale)
        self.train(module.training)


class BinaryConv2d(BinaryUnit, nn.Conv2d):
    """Binary form of `nn.Conv2d`, with its arguments and attributes; pads with zeros only.

    Args:
        estimator: pseudo-gradient of the input's sign, see `b2nn.quantizers`.
        scale: ``mean`` or ``learned``, see `BinaryUnit`.
    """

    def __init__(self, *args: Any, estimator: str = "bireal", scale: str = "mean", **kwargs: Any) -> None:
        nn.Conv2d.__init__(self, *args, **kwargs)
        if self.padding_mode != "zeros":
            raise B2nnError(f"padding_mode {self.padding_mode!r} has no binary form; use 'zeros'")
        self._binarize(self.in_channels, estimator, scale)

    @classmethod
    def from_conv(cls, conv: nn.Conv2d, estimator: str = "bireal", scale: str = "mean") -> BinaryConv2d:
        """The binary form of `conv`, which goes on sharing its weight and bias."""
        binary = cls(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding,
                     conv.dilation, conv.groups, conv.bias is not None, conv.padding_mode, device="meta")
        binary._adopt(conv, estimator, scale)
        return binary

    def forward(self, input: Tensor) -> Tensor:  # (N, in, H, W) -> (N, out, H', W')
        signs = binary_sign(input, self.shift.view(-1, 1, 1), self.estimator)
        sums = F.conv2d(signs, weight_sign(self.weight), None, self.stride, self.padding, self.dilation,
                        self.groups)
        bias = None if self.bias is None else self.bias.view(-1, 1, 1)
        return _scaled(sums, self.alpha().view(-1, 1, 1), bias)


class BinaryLinear(BinaryUnit, nn.Linear):
    """Binary form of `nn.Linear`, with its arguments and attributes; options as in `BinaryConv2d`."""

    def __init__(self, *args: Any, estimator: str = "bireal", scale: str = "mean", **kwargs: Any) -> None:
        nn.Linear.__init__(self, *args, **kwargs)
        self._binarize(self.in_features, estimator, scale)

    @classmethod
    def from_linear(cls, linear: nn.Linear, estimator: str = "bireal", scale: str = "mean") -> BinaryLinear:
        """The binary form of `linear`, which goes on sharing its weight and bias."""
        binary = cls(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        binary._adopt(linear, estimator, scale)
        return binary

    def forward(self, input: Tensor) -> Tensor:  # (..., in) -> (..., out)
        signs = binary_sign(input, self.shift, self.estimator)
        return _scaled(F.linear(signs, weight_sign(self.weight)), self.alpha(), self.bias)


def binary_form(module: nn.Module, estimator: str = "bireal", scale: str = "mean") -> BinaryUnit:
    """The binary layer for an `nn.Conv2d` or `nn.Linear`, sharing its weight and bias; else
    `UnsupportedModule`."""
    if isinstance(module, nn.Conv2d):
        return BinaryConv2d.from_conv(module, estimator, scale)
    if isinstance(module, nn.Linear):
        return BinaryLinear.from_linear(module, estimator, scale)
    raise UnsupportedModule(f"{type(module).__name__} has no binary form; use nn.Conv2d or nn.Linear")


def _scaled(sums: Tensor, alpha: Tensor, bias: Tensor | None) -> Tensor:
    """α · sums + bias, in the dtype of `sums`, which autocast may have made narrower than the parameters."""
    scaled = sums * alpha.to(sums.dtype)
    return scaled if bias is None else scaled + bias.to(sums.dtype)
