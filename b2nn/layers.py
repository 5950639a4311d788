"""Binary convolution and linear layer: y = α · (sign(x - b) * sign(w)) + bias, or with other values for the bits.

b is a learned shift per input channel, α a scale per output channel; `Recipe.scale` says where α comes from, and which
values the bits take instead with ``adabin``. Padding is 0 after the sign, neither +1 nor -1. Without autocast the sums
of ±1 are exact integers. Under bfloat16 autocast they are rounded to its 8 bits (exact up to 256), like every other
value of such a pass: train so if you like, but compare with a packed kernel in float32.

**Packed form.** All scales but ``xnor`` are an integer accumulation with one affine map a channel. With s, S = ±1 the
bits of inputs and weights, and P = s * S the sums that XNOR and popcount give, ``mean``, ``learned`` and ``none`` are
y = α P + bias. With ``adabin``, inputs are b + δ s and weights μ + σ S, so

    y = δσ P + δμ Q + C + bias,  Q = s * 1,  C = b * (μ + σ S).

Q is the sum of the input bits in the window: one more binary output channel a group, shared by all. C does not depend
on the input: one constant per output channel and border class (the set of taps that lie inside the map).
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from b2nn.activations import activation
from b2nn.errors import B2nnError, UnsupportedModule
from b2nn.quantizers import binary_sign, two_values, weight_sign
from b2nn.recipe import DEFAULT, SCALES, Recipe

__all__ = ["SCALES", "BinaryConv2d", "BinaryLinear", "BinaryUnit", "activation", "binary_form"]


class BinaryUnit(nn.Module):
    """What the binary conv and linear layers share. `weight` is the latent weight that training moves.

    Attributes:
        recipe: what the layer was made with.
        progress: share of training that is done, 0 to 1, see `b2nn.convert.set_progress`. Not saved: a layer on its own
            is that of a finished training.
        shift: (in,) b; starts at 0.
        scale: (out,) α where it is learned, else None; starts at the mean of \\|w\\| per output channel.
        distance: () δ of the inputs with ``adabin``, else None; starts at 1, its sign is of no account.
    """

    weight: Tensor
    shift: nn.Parameter
    scale: nn.Parameter | None
    distance: nn.Parameter | None
    recipe: Recipe
    progress: float

    def alpha(self) -> Tensor:
        """(out,) half the distance between a channel's two weights: the scale of the sums, with ``adabin`` σ."""
        if self.recipe.scale == "adabin":
            return self.weight.flatten(1).var(1, correction=0).clamp(min=1e-16).sqrt()
        if self.recipe.scale == "none":
            return self.weight.new_ones(len(self.weight))
        return self._magnitude() if self.scale is None else self.scale

    def middle(self) -> Tensor:
        """(out,) midpoint of a channel's two weights: 0, with ``adabin`` μ."""
        if self.recipe.scale == "adabin":
            return self.weight.flatten(1).mean(1)
        return self.weight.new_zeros(len(self.weight))

    def kernel(self) -> Tensor:
        """What the inputs' bits are convolved with, in the shape of `weight`: signs, with ``adabin`` μ ± σ.

        In the first of two steps of training (`Recipe.real_weights`) it is real: for ``adabin`` the weight itself, else
        the weight over its channel's mean magnitude, as signs have magnitude 1; so α means the same in both steps.
        """
        column = (-1, *[1] * (self.weight.ndim - 1))
        # Recipes of one step do not look at the progress: torch.compile would compile anew for every value of it.
        real = bool(self.recipe.real_weights) and self.progress < self.recipe.real_weights
        if self.recipe.scale == "adabin":
            middle, alpha = self.middle().view(column), self.alpha().view(column)
            return self.weight if real else two_values(self.weight, middle, alpha, "tanh")
        return self.weight / self._magnitude().clamp(min=1e-8).view(column) if real else weight_sign(self.weight)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, estimator={self.recipe.estimator}, scale={self.recipe.scale}"

    def _binarize(self, inputs: int, recipe: Recipe) -> None:
        """Add what a binary layer has beyond `weight` and `bias`."""
        self.recipe, self.progress = recipe, 1.0
        self.shift = nn.Parameter(self.weight.new_zeros(inputs))
        self.register_parameter("scale", None)
        self.register_parameter("distance", None)
        if recipe.scale == "learned":
            self.scale = nn.Parameter(self._magnitude().detach().clone())
        if recipe.scale == "adabin":
            self.distance = nn.Parameter(self.weight.new_ones(()))

    def _adopt(self, module: nn.Module, recipe: Recipe) -> None:
        """Take over the parameters of the full-precision `module`, the same objects, and its mode."""
        for name in ("weight", "bias"):
            self.register_parameter(name, module._parameters[name])
        self._binarize(len(self.shift), recipe)
        self.train(module.training)

    def _magnitude(self) -> Tensor:
        return self.weight.abs().flatten(1).mean(1)

    def _bits(self, x: Tensor, shift: Tensor) -> Tensor:
        """The inputs' two values, in the shape of `x`; `shift` is broadcastable to it."""
        estimator = self.recipe.estimator
        if self.distance is None:
            return binary_sign(x, shift, estimator, self.progress)
        return two_values(x, shift, self.distance.abs().clamp(min=1e-8), estimator, self.progress)

    def _scaled(self, sums: Tensor, bias: Tensor | None, gain: Tensor | None) -> Tensor:
        """α · gain · sums + bias, in the dtype of `sums`, which autocast may have made narrower than the parameters.

        Args:
            sums: (N, out, H, W), or (..., out) of a linear layer.
            gain: K of ``xnor``, broadcastable to the sums.
        """
        shape = (-1, 1, 1) if self.weight.ndim == 4 else (-1,)
        if self.recipe.scale != "adabin":
            sums = sums * self.alpha().view(shape).to(sums.dtype)
        if gain is not None:
            sums = sums * gain.to(sums.dtype)
        return sums if bias is None else sums + bias.view(shape).to(sums.dtype)


class BinaryConv2d(BinaryUnit, nn.Conv2d):
    """Binary form of `nn.Conv2d`, with its arguments and attributes; pads with zeros only."""

    def __init__(self, *args: Any, recipe: Recipe = DEFAULT, **kwargs: Any) -> None:
        nn.Conv2d.__init__(self, *args, **kwargs)
        if self.padding_mode != "zeros":
            raise B2nnError(f"padding_mode {self.padding_mode!r} has no binary form; use 'zeros'")
        self._binarize(self.in_channels, recipe)

    @classmethod
    def from_conv(cls, conv: nn.Conv2d, recipe: Recipe = DEFAULT) -> BinaryConv2d:
        """The binary form of `conv`, which goes on sharing its weight and bias."""
        binary = cls(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding,
                     conv.dilation, conv.groups, conv.bias is not None, conv.padding_mode, device="meta")
        binary._adopt(conv, recipe)
        return binary

    def forward(self, input: Tensor) -> Tensor:  # (N, in, H, W) -> (N, out, H', W')
        shift = self.shift.view(-1, 1, 1)
        sums = F.conv2d(self._bits(input, shift), self.kernel(), None, self.stride, self.padding, self.dilation,
                        self.groups)
        gain = self._window_means(input - shift) if self.recipe.scale == "xnor" else None
        return self._scaled(sums, self.bias, gain)

    def _window_means(self, x: Tensor) -> Tensor:
        """(N, out, H', W') K of ``xnor``: mean of \\|x\\| over the inputs of each sum, padding counted as 0."""
        means = x.abs().unflatten(1, (self.groups, -1)).mean(2)  # (N, groups, H, W)
        taps = self.weight[0, 0].numel()
        window = x.new_full((self.groups, 1, *self.kernel_size), 1 / taps)
        means = F.conv2d(means, window, None, self.stride, self.padding, self.dilation, self.groups)
        return means.repeat_interleave(self.out_channels // self.groups, 1)


class BinaryLinear(BinaryUnit, nn.Linear):
    """Binary form of `nn.Linear`, with its arguments and attributes."""

    def __init__(self, *args: Any, recipe: Recipe = DEFAULT, **kwargs: Any) -> None:
        nn.Linear.__init__(self, *args, **kwargs)
        self._binarize(self.in_features, recipe)

    @classmethod
    def from_linear(cls, linear: nn.Linear, recipe: Recipe = DEFAULT) -> BinaryLinear:
        """The binary form of `linear`, which goes on sharing its weight and bias."""
        binary = cls(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        binary._adopt(linear, recipe)
        return binary

    def forward(self, input: Tensor) -> Tensor:  # (..., in) -> (..., out)
        sums = F.linear(self._bits(input, self.shift), self.kernel())
        gain = (input - self.shift).abs().mean(-1, keepdim=True) if self.recipe.scale == "xnor" else None
        return self._scaled(sums, self.bias, gain)


def binary_form(module: nn.Module, recipe: Recipe = DEFAULT) -> BinaryUnit:
    """The binary layer for an `nn.Conv2d` or `nn.Linear`, sharing its weight and bias; else `UnsupportedModule`."""
    if isinstance(module, nn.Conv2d):
        return BinaryConv2d.from_conv(module, recipe)
    if isinstance(module, nn.Linear):
        return BinaryLinear.from_linear(module, recipe)
    raise UnsupportedModule(f"{type(module).__name__} has no binary form; use nn.Conv2d or nn.Linear")

