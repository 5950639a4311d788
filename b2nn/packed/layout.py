"""Weights and tables as the kernels read them; `kernels/bk.h` and the heads of the kernels say why so.

A step is 32 bits of every input that is summed: 32 signs, a float, 2 bfloat16 or 4 int8, in the order kernel row,
kernel column, channel. Weights of a step lie together for up to 64 output channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2nn.errors import B2nnError

Kind = Literal["bits", "float", "bf16", "int8", "depthwise", "few"]
Array = NDArray[np.generic]
LANES = 64
BYTEWISE = ("avx2", "avxvnni")
"""Levels whose steps of bits are bytes, not lanes of 32."""
SLOT = 64
"""Channels that the bits of one group are padded to, a 64-bit word."""


@dataclass
class Weights:
    """A conv's weights laid out for a kernel. Of use for any input size.

    Attributes:
        data: what the kernel reads, int32, or float32 for depthwise and few.
        outputs, inputs: channels of one group.
        spots: (steps, 3) kernel row, kernel column, and lane within a group of a pixel; of bits at a `BYTEWISE`
            level the byte.
        tap_sums: (groups, outputs, rows, columns) int64 sums over a tap's inputs: of the signs, or of the int8 weights.
        level: the kernels' level that bits are laid out for.
    """

    kind: Kind
    data: Array
    groups: int
    outputs: int
    inputs: int
    size: tuple[int, int]
    spots: NDArray[np.int64]
    tap_sums: NDArray[np.int64] | None = None
    level: str | None = None


def binary_weights(negative: Tensor, groups: int, level: str) -> Weights:
    """For bits.

    Args:
        negative: (out, inputs of a group, rows, columns) bool: where a weight is -1.
        level: level of the kernels, see `b2nn.packed.library`.
    """
    unit = 8 if level in BYTEWISE else 32
    signs = _grouped(negative.bool(), groups)  # (groups, outputs, rows, columns, inputs)
    inputs, size = signs.shape[4], signs.shape[2:4]
    sums = inputs - 2 * signs.sum(-1, dtype=np.int64)
    bits = _bytes(signs, unit)  # (..., units of a pixel * unit / 8)
    spots = _spots(size, bits.shape[-1] * 8 // unit)
    steps = np.ascontiguousarray(bits).reshape(*signs.shape[:2], -1)
    data = _nibbles(steps) if level in BYTEWISE else _blocks(steps.view(np.int32))
    return Weights("bits", data, groups, signs.shape[1], inputs, size, spots, sums, level)


def float_weights(weight: Tensor, groups: int) -> Weights:
    """For float32, from (out, inputs of a group, rows, columns)."""
    w = _grouped(weight.detach().float(), groups)
    data = _blocks(np.ascontiguousarray(w).reshape(*w.shape[:2], -1).view(np.int32))
    return Weights("float", data, groups, w.shape[1], w.shape[4], w.shape[2:4], _spots(w.shape[2:4], w.shape[4]))


def bf16_weights(weight: Tensor, groups: int) -> Weights:
    """For bfloat16, from float (out, inputs of a group, rows, columns), rounded to nearest even."""
    rounded = weight.detach().bfloat16().view(torch.int16)
    w = _filled(_grouped(rounded, groups), 2)
    if groups > 1 and w.shape[4] != weight.shape[1]:
        raise B2nnError(f"bf16 with groups needs an even number of channels a group, not {weight.shape[1]}")
    data = _blocks(np.ascontiguousarray(w).reshape(*w.shape[:2], -1).view(np.int32))
    spots = _spots(w.shape[2:4], w.shape[4] // 2)
    return Weights("bf16", data, groups, w.shape[1], weight.shape[1], w.shape[2:4], spots)


def int8_weights(weight: Tensor, groups: int) -> Weights:
    """For int8, from int8 (out, inputs of a group, rows, columns)."""
    w = _filled(_grouped(weight.to(torch.int8), groups), 4)
    if groups > 1 and w.shape[4] != weight.shape[1]:
        raise B2nnError(f"int8 with groups needs channels a group in fours, not {weight.shape[1]}")
    data = _blocks(np.ascontiguousarray(w).reshape(*w.shape[:2], -1).view(np.int32))
    spots, sums = _spots(w.shape[2:4], w.shape[4] // 4), w.sum(-1, dtype=np.int64)
    return Weights("int8", data, groups, w.shape[1], weight.shape[1], w.shape[2:4], spots, sums)


def depthwise_weights(weight: Tensor) -> Weights:
    """For float32 convs of one input channel a group, from (out, 1, rows, columns): (taps, out) floats."""
    taps = weight.detach().float().flatten(1).T.contiguous().numpy()
    size = (weight.shape[2], weight.shape[3])
    return Weights("depthwise", taps, 1, len(weight), len(weight), size, _spots(size, 1))


def few_weights(weight: Tensor) -> Weights:
    """For float32 convs of at most 16 outputs, from (out, in, rows, columns): (out, taps, in) floats."""
    outputs, inputs, *size = weight.shape
    if outputs > 16:
        raise B2nnError(f"{outputs} outputs are not few; use float_weights")
    data = weight.detach().float().permute(0, 2, 3, 1).contiguous().numpy()
    return Weights("few", data, 1, outputs, inputs, (size[0], size[1]), _spots((size[0], size[1]), 1))


def border_classes(
    input_size: tuple[int, int],
    output_size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Which taps of a kernel lie inside the map.

    Returns:
        (height, width) class of each output pixel, and (classes, rows, columns) the taps inside for each class.
    """
    lines = [_inside(*of) for of in zip(input_size, output_size, kernel, stride, padding, dilation, strict=True)]
    (rows, row_of), (columns, column_of) = [np.unique(line, axis=0, return_inverse=True) for line in lines]
    table = row_of.reshape(-1, 1) * len(columns) + column_of.reshape(1, -1)
    inside = rows[:, None, :, None] & columns[None, :, None, :]
    return table.astype(np.int32), inside.reshape(-1, *kernel)


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Outputs of a conv along one side, as torch counts them; 0 or less where the kernel does not fit.

    Raises:
        B2nnError: a stride or dilation below 1, or a padding below 0.
    """
    if stride < 1 or dilation < 1 or padding < 0:
        raise B2nnError(f"a stride of {stride}, dilation of {dilation} and padding of {padding} make no conv; strides "
                        "and dilations are 1 or more, paddings 0 or more")
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def vector(values: Array | Tensor, groups: int, *, fill: float = 0.0) -> NDArray[np.float32]:
    """(..., out) numbers of output channels as float32 (..., groups * outputs rounded up to 16)."""
    v = np.asarray(values, dtype=np.float32)
    v = v.reshape(*v.shape[:-1], groups, -1)
    missing = -v.shape[-1] % 16
    v = np.pad(v, [(0, 0)] * (v.ndim - 1) + [(0, missing)], constant_values=fill)
    return np.ascontiguousarray(v.reshape(*v.shape[:-2], -1))


def int32(values: NDArray[np.integer]) -> NDArray[np.int32]:
    """Offsets as the kernels hold them; `B2nnError` where they need more bits."""
    if values.size and np.abs(values).max() >= 2**31:
        raise B2nnError("a map is too large for 32-bit offsets; use a smaller input or batch")
    return np.ascontiguousarray(values, np.int32)


def _inside(size: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int) -> NDArray[np.bool_]:
    at = np.arange(outputs)[:, None] * stride - padding + np.arange(kernel) * dilation
    return (at >= 0) & (at < size)


def _grouped(weight: Tensor, groups: int) -> Array:
    """(out, inputs, rows, columns) as (groups, outputs, rows, columns, inputs)."""
    return weight.unflatten(0, (groups, -1)).permute(0, 1, 3, 4, 2).numpy()


def _filled(w: Array, multiple: int) -> Array:
    """Channels, the last dimension, rounded up with zeros."""
    return np.pad(w, [(0, 0)] * (w.ndim - 1) + [(0, -w.shape[-1] % multiple)])


def _bytes(signs: Array, unit: int) -> NDArray[np.uint8]:
    return np.packbits(_filled(signs, unit).astype(bool), axis=-1, bitorder="little")


def _spots(size: tuple[int, ...], lanes: int) -> NDArray[np.int64]:
    return np.stack(np.meshgrid(*[np.arange(n) for n in (*size, lanes)], indexing="ij"), -1).reshape(-1, 3)


def _blocks(steps: Array) -> Array:
    """(groups, outputs, steps) lanes as [group][block of 64 outputs][step][output], outputs rounded up to 16."""
    steps = np.pad(steps, [(0, 0), (0, -steps.shape[1] % 16), (0, 0)])
    blocks = [steps[:, at : at + LANES].transpose(0, 2, 1).reshape(len(steps), -1)
              for at in range(0, steps.shape[1], LANES)]
    return np.ascontiguousarray(np.concatenate(blocks, 1))


def _nibbles(steps: NDArray[np.uint8]) -> Array:
    """(groups, outputs, bytes) as [group][block of 128 outputs][byte][32 outputs' low halves, then the high ones]."""
    steps = np.pad(steps, [(0, 0), (0, -steps.shape[1] % 32), (0, 0)])
    halves = np.stack([steps & 15, steps >> 4], -1).transpose(0, 2, 3, 1)  # (groups, bytes, 2, outputs)
    vectors = halves.reshape(*halves.shape[:3], -1, 32).transpose(0, 1, 3, 2, 4)  # (groups, bytes, vectors, 2, 32)
    blocks = [vectors[:, :, at : at + 4].reshape(len(steps), -1) for at in range(0, vectors.shape[2], 4)]
    return np.ascontiguousarray(np.concatenate(blocks, 1)).view(np.int32)
