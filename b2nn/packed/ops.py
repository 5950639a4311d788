"""One binary conv on an ordinary tensor: `torch.ops.b2nn.binary_conv2d`, and a module around it.

For whole networks use `b2nn.packed.pack`, which keeps bits between layers and fuses what follows a conv. The operator
has a fake kernel, so `torch.compile` and export see it, and no gradient: a backward pass through it is an error.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from b2nn.errors import B2nnError, UnsupportedModule
from b2nn.layers import BinaryConv2d
from b2nn.packed.layout import binary_weights, output_size
from b2nn.packed.library import library
from b2nn.packed.native import Buffers, Epilogue, conv, elementwise
from b2nn.packed.step import Steps

__all__ = ["PackedConv2d", "binary_conv2d", "pack_signs", "reference_conv2d", "unpack_signs"]

_DEFINITIONS = torch.library.Library("b2nn", "DEF")
_DEFINITIONS.define(
    "binary_conv2d(Tensor x, Tensor signs, Tensor threshold, Tensor alpha, Tensor? bias, int[2] stride, "
    "int[2] padding, int[2] dilation, int groups, int pad_value=0) -> Tensor"
)
_PREPARED_LAYERS = 64


def pack_signs(weight: Tensor) -> Tensor:
    """(out, inputs of a group, rows, columns) weights as (out, rows, columns, bytes) uint8, bit 1 where NOT w >= 0."""
    negative = (~(weight.detach() >= 0)).permute(0, 2, 3, 1)
    padded = F.pad(negative.to(torch.uint8), (0, -negative.shape[3] % 8)).unflatten(3, (-1, 8))
    return (padded << torch.arange(8, dtype=torch.uint8)).sum(4).to(torch.uint8)


def unpack_signs(signs: Tensor, inputs: int) -> Tensor:
    """The inverse of `pack_signs`: (out, inputs, rows, columns) bool, True where a weight is -1."""
    bits = (signs.unsqueeze(4) >> torch.arange(8, dtype=torch.uint8)) & 1
    return bits.flatten(3)[..., :inputs].permute(0, 3, 1, 2).bool()


def binary_conv2d(
    x: Tensor,
    signs: Tensor,
    threshold: Tensor,
    alpha: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
    pad_value: int = 0,
) -> Tensor:
    """alpha * (sign(x - threshold) * sign(w)) + bias, padded after the sign. NaN counts as -1, as in training.

    Args:
        x: (N, in, H, W) float32 on the CPU, of any strides.
        signs: (out, rows, columns, bytes) from `pack_signs`.
        threshold: (in,). alpha, bias: (out,). All float32.
        pad_value: what lies outside the map: 0 as in `BinaryConv2d`, or -1 or +1 as in networks whose maps are bits
            with their borders.

    Returns:
        (N, out, H', W') in channels_last order.

    Raises:
        B2nnError: another dtype or padding value, or shapes that do not fit.
    """
    return torch.ops.b2nn.binary_conv2d(x, signs, threshold, alpha, bias, list(stride), list(padding), list(dilation),
                                        groups, pad_value)


def reference_conv2d(
    x: Tensor,
    signs: Tensor,
    threshold: Tensor,
    alpha: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    pad_value: int = 0,
) -> Tensor:
    """`binary_conv2d` in plain torch, number for number."""
    one = x.new_ones(())
    inputs = torch.where(x >= threshold.view(-1, 1, 1), one, -one)
    if pad_value:
        inputs, padding = F.pad(inputs, [padding[1]] * 2 + [padding[0]] * 2, value=pad_value), (0, 0)
    weight = torch.where(unpack_signs(signs, x.shape[1] // groups), -one, one)
    sums = F.conv2d(inputs, weight, None, tuple(stride), tuple(padding), tuple(dilation), groups).round()
    y = sums * alpha.view(-1, 1, 1)
    y = y if bias is None else y + bias.view(-1, 1, 1)
    return y.contiguous(memory_format=torch.channels_last)


class PackedConv2d(nn.Module):
    """A `BinaryConv2d` for inference, its weights as bits: the same numbers, on compiled kernels where there are such.

    Raises:
        UnsupportedModule: the values of its bits are not ±1 (`scale` xnor or adabin), or its padding is not symmetric.
    """

    def __init__(self, layer: BinaryConv2d) -> None:
        super().__init__()
        if layer.recipe.scale in ("xnor", "adabin"):
            raise UnsupportedModule(f"a layer with scale {layer.recipe.scale!r} has no packed form by itself; use "
                                    "b2nn.packed.pack on the model")
        self.stride, self.dilation, self.groups = layer.stride, layer.dilation, layer.groups
        self.padding = _padding(layer)
        self.register_buffer("signs", pack_signs(layer.weight))
        self.register_buffer("threshold", layer.shift.detach().clone())
        self.register_buffer("alpha", layer.alpha().detach().clone())
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().clone())

    signs: Tensor
    threshold: Tensor
    alpha: Tensor
    bias: Tensor | None

    def forward(self, x: Tensor) -> Tensor:  # (N, in, H, W) -> (N, out, H', W')
        return binary_conv2d(x, self.signs, self.threshold, self.alpha, self.bias, stride=self.stride,
                             padding=self.padding, dilation=self.dilation, groups=self.groups)


def _padding(layer: BinaryConv2d) -> tuple[int, ...]:
    if layer.padding == "valid":
        return (0, 0)
    if layer.padding != "same":
        return tuple(int(p) for p in layer.padding)
    spans = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    if any(span % 2 for span in spans):
        raise UnsupportedModule("padding 'same' of an even kernel pads one side more; use numbers")
    return tuple(span // 2 for span in spans)


def _shape(x: Tensor, signs: Tensor, threshold: Tensor, alpha: Tensor, bias: Tensor | None, stride: Sequence[int],
           padding: Sequence[int], dilation: Sequence[int], groups: int, pad_value: int) -> list[int]:
    """The output's shape; every argument is checked here, for all forms of the operator."""
    if pad_value not in (-1, 0, 1):
        raise B2nnError(f"pad_value is {pad_value}; choose -1, 0 or 1")
    if x.dtype != torch.float32:
        raise B2nnError(f"binary_conv2d takes float32, not {x.dtype}; call .float() on its input")
    if x.ndim != 4 or signs.ndim != 4 or signs.dtype != torch.uint8:
        raise B2nnError(f"binary_conv2d takes (N, C, H, W) and uint8 (out, rows, columns, bytes), not {tuple(x.shape)} "
                        f"and {signs.dtype} {tuple(signs.shape)}")
    inputs, outputs = x.shape[1], signs.shape[0]
    if groups < 1 or inputs % groups or outputs % groups or signs.shape[3] != -(-(inputs // groups) // 8):
        raise B2nnError(f"{inputs} inputs and {outputs} outputs in {groups} groups do not fit signs of "
                        f"{tuple(signs.shape)}")
    for name, value, length in (("threshold", threshold, inputs), ("alpha", alpha, outputs), ("bias", bias, outputs)):
        if value is not None and tuple(value.shape) != (length,):
            raise B2nnError(f"{name} has shape {tuple(value.shape)}, needed is ({length},)")
        if value is not None and value.dtype != torch.float32:
            raise B2nnError(f"{name} is {value.dtype}, needed is float32; call .float() on it")
    size = [output_size(*of) for of in zip(x.shape[2:], signs.shape[1:3], stride, padding, dilation, strict=True)]
    if min(size) < 1:
        raise B2nnError(f"a kernel of {tuple(signs.shape[1:3])} does not fit a map of {tuple(x.shape[2:])}")
    return [x.shape[0], outputs, *size]


@torch.library.register_fake("b2nn::binary_conv2d")
def _fake(x: Tensor, signs: Tensor, threshold: Tensor, alpha: Tensor, bias: Tensor | None, stride: Sequence[int],
          padding: Sequence[int], dilation: Sequence[int], groups: int, pad_value: int = 0) -> Tensor:
    shape = _shape(x, signs, threshold, alpha, bias, stride, padding, dilation, groups, pad_value)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


def _no_gradient(ctx: object, *gradients: Tensor) -> None:
    raise B2nnError("a packed conv has no gradient; train the layer that it was made of, or call this one under "
                    "torch.no_grad()")


torch.library.register_autograd("b2nn::binary_conv2d", _no_gradient)


@dataclass
class _Prepared:
    """A layer ready to run at one input size. `made_of` are copies of the tensors that it was made of."""

    made_of: list[Tensor]
    source: Buffers
    dest: Buffers
    steps: Steps
    lock: threading.Lock

    def is_of(self, tensors: Sequence[Tensor]) -> bool:
        """Whether these hold the same numbers: what counts changes of a tensor does not know of all."""
        (signs, *constants), (own_signs, *own_constants) = tensors, self.made_of
        # NumPy compares many bytes at a time, torch one.
        return np.array_equal(signs.numpy(), own_signs.numpy()) and all(map(torch.equal, constants, own_constants))


_prepared: OrderedDict[tuple, _Prepared] = OrderedDict()
_prepared_lock = threading.Lock()


def _native(x: Tensor, signs: Tensor, threshold: Tensor, alpha: Tensor, bias: Tensor | None, stride: Sequence[int],
            padding: Sequence[int], dilation: Sequence[int], groups: int, pad_value: int = 0) -> Tensor:
    shape = _shape(x, signs, threshold, alpha, bias, stride, padding, dilation, groups, pad_value)
    found = library()
    if found is None or 0 in shape:
        return reference_conv2d(x, signs, threshold, alpha, bias, stride, padding, dilation, groups, pad_value)
    made_of = [t for t in (signs, threshold, alpha, bias) if t is not None]
    key = (found.level, tuple(map(id, made_of)), tuple(x.shape), tuple(stride), tuple(padding), tuple(dilation), groups,
           pad_value)
    with _prepared_lock, torch.inference_mode(False), torch.no_grad():  # what is kept must serve calls in any mode
        ready = _prepared.get(key)
        if ready is None or not ready.is_of(made_of):
            source = Buffers(x.shape[0], x.shape[1], x.shape[2], x.shape[3], max(padding)).add_float()
            source.add_bits(threshold, groups)
            dest = Buffers(shape[0], shape[1], shape[2], shape[3]).add_float()
            weights = binary_weights(unpack_signs(signs, x.shape[1] // groups), groups, found.level)
            steps = [*elementwise(source, source),
                     *conv(source, dest, weights, stride=(stride[0], stride[1]), padding=(padding[0], padding[1]),
                           dilation=(dilation[0], dilation[1]), padding_value=pad_value,
                           epilogue=Epilogue(alpha=alpha, beta=bias))]
            copies = [t.detach().clone() for t in made_of]
            ready = _Prepared(copies, source, dest, Steps(found, steps), threading.Lock())
            _prepared[key] = ready
            while len(_prepared) > _PREPARED_LAYERS:
                _prepared.popitem(last=False)
        _prepared.move_to_end(key)
    with ready.lock:
        ready.source.inside().copy_(x)
        ready.steps(torch.get_num_threads())
        return ready.dest.inside().clone(memory_format=torch.channels_last)


_DEFINITIONS.impl("binary_conv2d", _native, "CPU")
