"""What single layers are in a program: convs with their constants, affine maps, activations, pools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from b2nn.activations import BinReLU, RPReLU
from b2nn.errors import UnsupportedModule
from b2nn.layers import BinaryUnit
from b2nn.packed.program import Activation, Conv, Pool


def conv(layer: Any, name: str) -> Conv:
    """A conv or linear layer, binary or not, with the constants of its own, in float64.

    Args:
        name: of the layer, for messages.

    Raises:
        UnsupportedModule: a binary layer whose weights are still real, or padded as no packed conv is.
    """
    linear = isinstance(layer, nn.Linear)
    if not linear and (min(*layer.stride, *layer.dilation) < 1 or min(layer._reversed_padding_repeated_twice) < 0):
        raise UnsupportedModule(f"layer {name!r} has stride {layer.stride}, dilation {layer.dilation} and padding "
                                f"{layer.padding}; strides and dilations are 1 or more, paddings 0 or more")
    weight = layer.weight.detach().float()
    if linear:
        weight = weight[:, :, None, None]
    outputs = len(weight)
    bias = layer.bias.detach().double() if layer.bias is not None else weight.new_zeros(outputs, dtype=torch.float64)
    shape: dict[str, Any] = dict(linear=True) if linear else dict(
        stride=layer.stride, padding=padding(layer, name), dilation=layer.dilation, groups=layer.groups)
    shape |= dict(source="", result="", channels=outputs, beta=bias)
    if not isinstance(layer, BinaryUnit):
        return Conv(weight=weight.contiguous(), alpha=torch.ones_like(bias), **shape)
    if layer.progress < layer.recipe.real_weights:
        raise UnsupportedModule(f"layer {name!r} is in the first step of its training, when weights are still real; "
                                "call b2nn.set_progress(model, 1) first")
    signs = (weight >= layer.middle().detach().float().view(-1, 1, 1, 1)).contiguous()
    shape |= dict(weight=signs, precision="bits", threshold=layer.shift.detach().float().clone())
    alpha = layer.alpha().detach().double()
    if layer.distance is None:
        return Conv(alpha=alpha, **shape)
    distance = layer.distance.detach().double().abs().clamp(min=1e-8)
    centre = layer.shift.detach().double() / distance
    return Conv(alpha=alpha * distance, gamma=layer.middle().detach().double() * distance,
                centre=centre.float() if centre.any() else None, **shape)


def padding(layer: nn.Conv2d, name: str) -> tuple[int, int]:
    """Zeros on either side of rows and columns; 0 where `padded` adds them beforehand."""
    if not isinstance(layer.padding, str):
        return layer.padding if layer.padding_mode == "zeros" else (0, 0)  # type: ignore[return-value]
    extents = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    if layer.padding == "valid" or layer.padding_mode != "zeros":
        return (0, 0)
    if any(extent % 2 for extent in extents):
        if isinstance(layer, BinaryUnit):
            raise UnsupportedModule(f"layer {name!r}: padding 'same' of an even kernel has no packed form; "
                                    "use an odd kernel or a number")
        return (0, 0)
    return extents[0] // 2, extents[1] // 2


def padded(layer: nn.Conv2d) -> tuple[list[int], str] | None:
    """Arguments of `F.pad` where a conv in full precision needs more than zeros on both sides alike; else None."""
    around = layer._reversed_padding_repeated_twice
    uneven = isinstance(layer.padding, str) and (around[0::2] != around[1::2])
    if layer.padding_mode == "zeros" and not uneven:
        return None
    return list(around), "constant" if layer.padding_mode == "zeros" else layer.padding_mode


@dataclass(frozen=True)
class Statistics:
    """What a BatchNorm in evaluation mode normalises by, (C,) each; weight and bias may be None."""

    mean: Tensor
    variance: Tensor
    weight: Tensor | None
    bias: Tensor | None
    eps: float

    def affine(self) -> tuple[Tensor, Tensor]:
        """alpha and beta of y = alpha x + beta, (C,) float64."""
        alpha = (self.variance.double() + self.eps).rsqrt()
        if self.weight is not None:
            alpha = alpha * self.weight.double()
        beta = -self.mean.double() * alpha
        return alpha, beta if self.bias is None else beta + self.bias.double()


def statistics(layer: Any, name: str) -> Statistics:
    """Of a BatchNorm."""
    if layer.running_mean is None:
        raise UnsupportedModule(f"layer {name!r} normalises by the statistics of each batch; a packed network needs "
                                "track_running_stats=True")
    weight, bias = (None if tensor is None else tensor.detach().clone() for tensor in (layer.weight, layer.bias))
    return Statistics(layer.running_mean.clone(), layer.running_var.clone(), weight, bias, layer.eps)


def functional_statistics(node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Statistics | None:
    """Of a call of `F.batch_norm` on a map, None where its tensors are not all constant.

    Raises:
        UnsupportedModule: it normalises by the statistics of each batch.
    """
    names: tuple[str, ...] = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    if node.target is torch.batch_norm:
        names = ("input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps", "cudnn")
    given: dict[str, Any] = dict(weight=None, bias=None, training=False, eps=1e-5) | dict(
        zip(names, args, strict=False)) | kwargs
    if given["training"] or given["running_mean"] is None or given["running_var"] is None:
        raise UnsupportedModule(f"{node.name!r} normalises by the statistics of each batch; call F.batch_norm with "
                                "training=self.training and running statistics")
    mean, variance, weight, bias = tensors = [given[name] for name in ("running_mean", "running_var", "weight", "bias")]
    if not all(tensor is None or isinstance(tensor, Tensor) for tensor in tensors):
        return None
    return Statistics(mean, variance, weight, bias, given["eps"])


def activation(layer: nn.Module) -> Activation | None:
    """What a layer is as an activation; None if it is none."""
    plain = {nn.ReLU: "relu", nn.ReLU6: "relu6", nn.Hardswish: "hardswish", BinReLU: "binrelu"}
    if type(layer) in plain:
        return Activation(plain[type(layer)])
    if isinstance(layer, nn.LeakyReLU):
        return Activation("prelu", torch.tensor([layer.negative_slope]))
    if isinstance(layer, nn.PReLU):
        return Activation("prelu", layer.weight.detach().float())
    if isinstance(layer, RPReLU):
        return Activation("rprelu", layer.slope.weight.detach().float(), layer.shift_in.detach().float(),
                          layer.shift_out.detach().float())
    return None


def functional_activation(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Activation | None:
    """What a torch function, or a method by name, is as an activation; None if it is none."""
    plain = {F.relu: "relu", torch.relu: "relu", "relu": "relu", F.relu6: "relu6", F.hardswish: "hardswish"}
    if target in plain:
        return Activation(plain[target])
    if target is F.leaky_relu:
        return Activation("prelu", torch.tensor([args[1] if len(args) > 1 else kwargs.get("negative_slope", 0.01)]))
    if target in (F.prelu, torch.prelu, "prelu") and len(args) == 2 and isinstance(args[1], Tensor):
        return Activation("prelu", args[1].detach().float().reshape(-1))
    return None


def pool(layer: nn.Module) -> Pool | None:
    """A pooling layer; None for one that a program does not know."""
    if isinstance(layer, nn.MaxPool2d) and layer.dilation in (1, (1, 1)) and not layer.return_indices:
        extra: dict[str, Any] = {}
        kind = "max"
    elif isinstance(layer, nn.AvgPool2d) and layer.divisor_override is None:
        extra = dict(count_include_pad=layer.count_include_pad)
        kind = "average"
    else:
        return None
    return Pool("", "", kind, _pair(layer.kernel_size), _pair(layer.stride), _pair(layer.padding), layer.ceil_mode,
                **extra)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])
