"""Steps of a packed network for the compiled kernels: maps in memory, and a step for each kind of layer.

A map holds its formats side by side, with one border that all of them have. Steps write the inside; borders are filled
once, when the map is made. Everything that the kernels take on trust is checked here.

    found = library()
    x, y = Buffers(1, 64, 16, 16, border=1), Buffers(1, 128, 16, 16)
    x.add_float(), x.add_bits(shift), y.add_float()
    weights = binary_weights(weight < 0, groups=1, level=found.level)
    steps = [*elementwise(x, x, emit=("bits",)), *conv(x, y, weights, padding=(1, 1), epilogue=Epilogue(alpha))]
    run = Steps(found, steps)
    x.inside()[:] = image
    run(torch.get_num_threads())  # y.inside() is the result
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from b2nn.errors import B2nnError
from b2nn.packed.buffers import Buffers, Format, Numbers
from b2nn.packed.epilogue import PLAIN, Epilogue, set_epilogue, written
from b2nn.packed.layout import BYTEWISE, LANES, Weights, border_classes, int32, output_size
from b2nn.packed.step import KINDS, Step

__all__ = ["PLAIN", "Buffers", "Epilogue", "compare", "conv", "correlate", "elementwise", "gate", "pool", "read"]

Pair = tuple[int, int]


def conv(
    source: Buffers,
    dest: Buffers,
    weights: Weights,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    padding_value: int = 0,
    plane: int = 0,
    epilogue: Epilogue = PLAIN,
    emit: Sequence[Format] | None = None,
) -> list[Step]:
    """A conv of the source's format that the weights are for.

    Args:
        padding_value: what lies outside the map in sums of signs: 0, -1 or +1.
        plane: number of the source's bit plane.
        emit: formats to write; all that the destination has with None.

    Raises:
        B2nnError: shapes do not fit, the border is too small, or a needed format is missing.
    """
    geometry = (weights.size, stride, padding, dilation)
    _check_window(source, dest, *geometry)
    depthwise = weights.kind == "depthwise"
    outputs, inputs = weights.outputs * weights.groups, weights.inputs * weights.groups
    if dest.channels != outputs or (source.channels != inputs and not depthwise):
        raise B2nnError(f"a conv of {inputs} to {outputs} channels does not fit maps of {source.channels} and "
                        f"{dest.channels}")
    if depthwise and outputs % source.channels:
        raise B2nnError(f"{outputs} depthwise outputs are no multiple of {source.channels} inputs")
    step = Step()
    step.kind, step.groups, step.outputs = KINDS[weights.kind], weights.groups, weights.outputs
    step.keep.append(source)
    address, pitch, step.group_offset, unit = _source(source, weights, plane)
    step.multiplier = outputs // source.channels if depthwise else 1
    step.input = address
    tap = weights.spots[:, 0] * dilation[0] * source.physical[2] + weights.spots[:, 1] * dilation[1]
    step.point(offset=int32(tap * pitch * unit + weights.spots[:, 2]), weight=weights.data)
    step.steps, step.weight_pitch = len(tap), outputs
    if depthwise:
        dense = step.multiplier == stride[1] == dilation[1] == 1
        step.columns = weights.size[1] if dense else 0
        step.point(spread=int32(np.minimum(np.arange(outputs + 16) // step.multiplier, source.channels - 1)))
    step.group_weight = weights.data.size // weights.groups
    if weights.kind == "few":
        step.inputs, step.weight_pitch, step.group_weight = inputs, inputs, weights.data.size // outputs
    first = _corner(source, dest, stride, padding)
    step.point(in_=int32(first * pitch))
    classes, inside = border_classes(
        (source.height, source.width), (dest.height, dest.width), *geometry)
    if weights.kind in ("bits", "int8"):
        _set_base(step, weights, inside, padding_value, source.zero)
    set_epilogue(step, epilogue, dest, inside)
    if epilogue.gamma is not None:
        if weights.kind != "bits":
            raise B2nnError("gamma needs a binary conv")
        _set_window_sums(step, source, plane, weights.spots, tap)
        valid = inside.sum((1, 2))
        step.point(q_base=int32(weights.inputs * (valid + padding_value * (inside[0].size - valid))))
    if len(inside) > 1 and (step.base_pitch or step.beta_pitch or epilogue.gamma is not None):
        step.point(border=int32(np.broadcast_to(classes, (dest.images, *classes.shape))))
    else:
        step.base_pitch = step.beta_pitch = 0
    return written(step, dest, emit)


def correlate(source: Buffers, kernel: Buffers, dest: Buffers, *, padding: Pair = (0, 0),
              epilogue: Epilogue = PLAIN, emit: Sequence[Format] | None = None) -> list[Step]:
    """Depthwise correlation of each image with a kernel that is a map itself: of one image for all, or one for each.

    Raises:
        B2nnError: shapes do not fit, or the kernel's map has a border.
    """
    if kernel.border or kernel.images not in (1, source.images) or kernel.channels != source.channels:
        raise B2nnError("a kernel to correlate with needs no border, the source's channels, and one image or as many")
    weights = Weights("depthwise", np.empty(0, np.float32), 1, source.channels, source.channels,
                      (kernel.height, kernel.width), _taps(kernel.height, kernel.width))
    (step, *rest) = conv(source, dest, weights, padding=padding, epilogue=epilogue, emit=emit)
    held = kernel.held("float")
    step.keep.append(held)
    step.weight = held.data_ptr() + 4 * kernel.start
    step.weight_pitch = kernel.total
    if kernel.images > 1:
        step.image_weight = held[0].numel()
        step.image_pixels = dest.height * dest.width
    return [step, *rest]


def pool(
    kind: Literal["max", "average"],
    source: Buffers,
    dest: Buffers,
    size: Pair,
    *,
    stride: Pair,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    count_include_pad: bool = True,
    epilogue: Epilogue = PLAIN,
    emit: Sequence[Format] | None = None,
) -> list[Step]:
    """A pool of floats as torch has it, with ceil_mode where the destination is so large. No NaN is lost.

    Raises:
        B2nnError: shapes do not fit, or the source has no floats.
    """
    if source.channels != dest.channels or source.images != dest.images:
        raise B2nnError("a pool leaves images and channels as they are")
    lines = [_pool_line(*of) for of in zip((source.height, source.width), (dest.height, dest.width), size, stride,
                                           padding, dilation, strict=True)]
    (top, rows, full_rows), (left, columns, full_columns) = lines
    step = Step()
    step.kind, step.outputs = KINDS[f"{kind}_pool"], dest.channels
    held = source.held("float")
    step.keep.append(held)
    step.input = held.data_ptr() + 4 * source.start
    step.row_pitch = dilation[0] * source.physical[2] * source.total
    step.column_pitch = dilation[1] * source.total
    step.point(in_=int32(source.pixels(top, left) * source.total))
    window = np.stack(np.broadcast_arrays(rows[:, None], columns[None, :]), -1)
    step.point(window=int32(np.broadcast_to(window, (dest.images, *window.shape))))
    area = full_rows[:, None] * full_columns if count_include_pad else rows[:, None] * columns
    step.point(divisor=np.ascontiguousarray(np.broadcast_to(area, (dest.images, *area.shape)), np.float32))
    set_epilogue(step, epilogue, dest, None)
    return written(step, dest, emit)


def elementwise(source: Buffers, dest: Buffers, *, epilogue: Epilogue = PLAIN,
                emit: Sequence[Format] | None = None) -> list[Step]:
    """y = act(alpha * x + beta + shortcut) of the source's floats; also copies, and writes other formats of a map.

    Raises:
        B2nnError: shapes do not fit, or the source has no floats.
    """
    if (source.images, source.channels, source.height, source.width) != (
            dest.images, dest.channels, dest.height, dest.width):
        raise B2nnError("an element-wise step needs maps of the same shape")
    step = Step()
    step.kind, step.outputs = KINDS["load"], dest.channels
    held = source.held("float")
    step.keep.append(held)
    step.input = held.data_ptr() + 4 * source.start
    step.point(in_=int32(source.all_pixels() * source.total))
    set_epilogue(step, epilogue, dest, None)
    same = source.float is dest.float and source.start == dest.start
    if emit is None and same and epilogue is PLAIN:
        emit = [name for name in dest.formats() if name != "float"]
    return written(step, dest, emit)


def read(dtype: torch.dtype, dest: Buffers, *, epilogue: Epilogue = PLAIN) -> list[Step]:
    """y = act(alpha * x + beta) of a caller's tensor, float32 or uint8, dense and its channels last in memory.

    The first step reads it; `Steps.bind` says where it is.

    Raises:
        B2nnError: another type.
    """
    if dtype not in (torch.float32, torch.uint8):
        raise B2nnError(f"maps are read from float32 and uint8, not from {dtype}")
    step = Step()
    step.kind, step.outputs = KINDS["load" if dtype == torch.float32 else "load_u8"], dest.channels
    step.point(in_=int32(np.arange(dest.images * dest.height * dest.width) * dest.channels))
    set_epilogue(step, epilogue, dest, None)
    return written(step, dest, None)


def gate(source: Buffers, gates: Buffers, dest: Buffers) -> list[Step]:
    """y = x * gate, one gate an image and channel: `gates` is a map of one pixel.

    Raises:
        B2nnError: shapes do not fit; channels must be a multiple of 16.
    """
    if gates.images != source.images:
        raise B2nnError(f"gates of {gates.images} images do not fit {source.images}")
    if source.images > 1:  # a step knows one factor a channel
        return [step for number in range(source.images)
                for step in gate(source.image(number), gates.image(number), dest.image(number))]
    if gates.physical != (1, 1, 1) or not gates.channels == gates.total == dest.channels or gates.channels % 16:
        raise B2nnError("gates are a map of one pixel, without border, with the channels of the map in sixteens")
    (step, *rest) = elementwise(source, dest, emit=dest.formats())
    held = gates.held("float")
    step.keep.append(held)
    step.alpha = held.data_ptr()
    return [step, *rest]


def compare(source: Buffers, kernel: Buffers, dest: Buffers) -> list[Step]:
    """Every pixel of a map with every pixel of a kernel map, over all channels: a 1x1 conv by the kernel's pixels.

    Args:
        source, kernel, dest: (N, C, H, W), (N, C, h, w) and (N, h w, H, W), with floats.

    Raises:
        B2nnError: shapes do not fit, or a kernel of more than 64 pixels that are no multiple of 64.
    """
    outputs, inputs = kernel.height * kernel.width, kernel.channels
    if kernel.images != source.images or (outputs > LANES and outputs % LANES):
        raise B2nnError("a kernel to compare with has an image for each, of up to 64 pixels or a multiple of 64")
    if source.images > 1:  # weights are one image's
        return [step for number in range(source.images)
                for step in compare(source.image(number), kernel.image(number), dest.image(number))]
    lanes = min(LANES, -(-outputs // 16) * 16)
    data = np.zeros(-(-outputs // LANES) * inputs * lanes, np.float32)
    transpose, at = Step(), np.arange(outputs)
    transpose.kind, transpose.pixels, transpose.outputs, transpose.padded = KINDS["transpose"], outputs, inputs, inputs
    held = kernel.held("float")
    transpose.keep += [held, kernel]
    transpose.input = held.data_ptr() + 4 * kernel.start
    transpose.point(in_=int32(kernel.all_pixels() * kernel.total), f32=data,
                    out=int32(at // LANES * LANES * inputs + at % LANES))
    transpose.f32_pitch = lanes
    spots = np.pad(np.arange(inputs)[:, None], [(0, 0), (2, 0)])
    weights = Weights("float", data.view(np.int32), 1, outputs, inputs, (1, 1), spots)
    return [transpose, *conv(source, dest, weights)]


def _taps(rows: int, columns: int) -> NDArray[np.int64]:
    at = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), -1).reshape(-1, 2)
    return np.pad(at, [(0, 0), (0, 1)])


def _corner(source: Buffers, dest: Buffers, stride: Pair, padding: Pair) -> NDArray[np.int64]:
    """Numbers of the source's physical pixels under each output's first tap."""
    return source.pixels(np.arange(dest.height) * stride[0] - padding[0],
                   np.arange(dest.width) * stride[1] - padding[1])


def _check_window(source: Buffers, dest: Buffers, size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> None:
    wanted = tuple(output_size(*of) for of in zip((source.height, source.width), size, stride, padding, dilation,
                                                  strict=True))
    if (dest.images, dest.height, dest.width) != (source.images, *wanted):
        raise B2nnError(f"{source.images} maps of {source.height}x{source.width} give {wanted[0]}x{wanted[1]}, not "
                        f"{dest.images} of {dest.height}x{dest.width}")
    if min(wanted) < 1:
        raise B2nnError(f"a kernel of {size} does not fit a map of {source.height}x{source.width}")
    if max(padding) > source.border:
        raise B2nnError(f"a padding of {max(padding)} needs such a border, the map has {source.border}")


def _source(source: Buffers, weights: Weights, plane: int) -> tuple[int, int, int, int]:
    """Address, lanes from pixel to pixel and from group to group, and the offsets' unit in a lane."""
    if weights.kind == "bits":
        if plane >= len(source.bits):
            raise B2nnError("the map has no bits; add them first")
        bits = source.bits[plane]
        fits = source.start % 32 == 0 if bits.groups == 1 else source.channels == source.total
        if bits.groups != weights.groups or not fits:
            raise B2nnError(f"bits kept for {bits.groups} groups from channel {source.start} do not fit a conv of "
                            f"{weights.groups} groups")
        pitch = bits.data.shape[3] // 4
        unit = 4 if weights.level in BYTEWISE else 1
        return bits.data.data_ptr() + source.start // 8, pitch, pitch // bits.groups, unit
    kinds: dict[str, tuple[Numbers, int]] = {"float": ("float", 1), "depthwise": ("float", 1), "few": ("float", 1),
                                             "bf16": ("bf16", 2), "int8": ("u8", 4)}
    format, per_lane = kinds[weights.kind]
    data = source.held(format)
    if source.start % per_lane:
        raise B2nnError(f"{format} channels must start at a multiple of {per_lane}, not at {source.start}")
    if source.channels % per_lane and source.start + source.channels != source.total:
        raise B2nnError(f"{format} needs channels in multiples of {per_lane}, not {source.channels}")
    address = data.data_ptr() + source.start * data.element_size()
    return address, data.shape[3] // per_lane, weights.inputs // per_lane, 1


def _set_base(step: Step, weights: Weights, inside: NDArray[np.bool_], padding_value: int, zero: int) -> None:
    """What turns the kernel's accumulator into the sum, per border class."""
    assert weights.tap_sums is not None
    if weights.kind == "int8":  # outside the map lies the zero point
        base = -zero * weights.tap_sums.sum((2, 3))[None]
    else:
        # All taps count as if x were +1 outside: sum over all = inputs * taps - 2 popcount. What is outside must go.
        outside = (~inside).astype(np.int64)
        surplus = np.einsum("cyx,goyx->cgo", outside, weights.tap_sums)
        base = weights.inputs * inside[0].size - (1 - padding_value) * surplus
    padded = np.pad(base, [(0, 0), (0, 0), (0, -weights.outputs % 16)])
    step.point(base=int32(padded.reshape(len(padded), -1)))
    step.base_pitch = padded[0].size if len(padded) > 1 else 0


def _set_window_sums(step: Step, source: Buffers, plane: int, spots: NDArray[np.int64], tap: NDArray[np.int64]) -> None:
    """Where the bits of a window lie, in words of 64, for convs that read whole pixels of up to 8 words."""
    pixel_words = source.bits[plane].data.shape[3] // 8
    if step.groups > 1 or source.channels != source.total or pixel_words not in (1, 2, 4, 8):
        return
    step.pixel_words = pixel_words
    step.point(tap=int32(tap[spots[:, 2] == 0] * pixel_words))
    step.taps = int((spots[:, 2] == 0).sum())


def _pool_line(size: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[
        NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """First tap inside, number of taps inside, and taps that count with padding, of each output along one side."""
    start = np.arange(outputs) * stride - padding
    floor = output_size(size, kernel, stride, padding, dilation)
    ceil = -(-(size + 2 * padding - dilation * (kernel - 1) - 1) // stride) + 1
    if outputs not in (floor, ceil) or 2 * padding > kernel or start[-1] >= size + padding:
        raise B2nnError(f"a pool of {kernel}, stride {stride} and padding {padding} makes {floor} of {size}, "
                        f"not {outputs}")
    at = start[:, None] + np.arange(kernel) * dilation
    inside = (at >= 0) & (at < size)
    first = at[np.arange(outputs), inside.argmax(1)]
    return first, inside.sum(1), np.minimum(start + kernel, size + padding) - start
