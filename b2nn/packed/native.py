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
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2nn.errors import B2nnError
from b2nn.packed.layout import SLOT, Weights, border_classes, output_size, vector
from b2nn.packed.step import ACTIVATIONS, KINDS, MAX_BITS, BitPlane, Step

__all__ = ["Bits", "Buffers", "Epilogue", "conv", "correlate", "elementwise", "pool"]

Format = Literal["float", "bits", "bf16", "u8"]
Pair = tuple[int, int]
Number = float  # in `Buffers` that is the name of a format


@dataclass
class Bits:
    """A map's signs: bit 1 where NOT x >= threshold.

    Attributes:
        data: (N, height, width, bytes) uint8 with borders; each group has its channels in 64-bit words of its own.
        threshold: (C,) float32.
        groups: of the convs that read these bits.
    """

    data: Tensor
    threshold: Tensor
    groups: int


@dataclass
class Buffers:
    """A map (N, C, H, W) in memory as NHWC with `border` pixels around, in the formats that were added.

    Attributes:
        start, channels: the channels this object stands for, of `total` in memory; see `part`.
        scale, zero: a value is scale * (u8 - zero).
    """

    images: int
    channels: int
    height: int
    width: int
    border: int = 0
    start: int = 0
    total: int = 0
    float: Tensor | None = None
    bits: list[Bits] = field(default_factory=list)
    bf16: Tensor | None = None
    u8: Tensor | None = None
    scale: Number = 1.0
    zero: int = 0

    def __post_init__(self) -> None:
        self.total = self.total or self.channels

    @property
    def physical(self) -> tuple[int, int, int]:
        """Images, height and width with borders."""
        return self.images, self.height + 2 * self.border, self.width + 2 * self.border

    def add_float(self) -> Buffers:
        """With a float32 format, border 0."""
        if self.float is None:
            self.float = torch.zeros(*self.physical, self.total)
        return self

    def add_bits(self, threshold: Tensor, groups: int = 1) -> int:
        """With the signs against a (C,) threshold; the number of the bit plane, an old one where there is such."""
        for number, bits in enumerate(self.bits):
            if bits.groups == groups and torch.equal(bits.threshold, threshold.detach().float()):
                return number
        if len(self.bits) == MAX_BITS:
            raise B2nnError(f"a map holds at most {MAX_BITS} different planes of bits")
        width = groups * -(-(self.total // groups) // SLOT) * SLOT // 8
        data = torch.zeros(*self.physical, width, dtype=torch.uint8)
        self.bits.append(Bits(data, threshold.detach().float(), groups))
        return len(self.bits) - 1

    def add_bf16(self) -> Buffers:
        """With a bfloat16 format, border 0."""
        if self.bf16 is None:
            self.bf16 = torch.zeros(*self.physical, self.total + self.total % 2, dtype=torch.bfloat16)
        return self

    def add_u8(self, scale: Number, zero: int) -> Buffers:
        """With a uint8 format of that scale and zero point, which fills the border."""
        if self.u8 is None:
            self.scale, self.zero = scale, zero
            self.u8 = torch.full((*self.physical, self.total + -self.total % 4), zero, dtype=torch.uint8)
        return self

    def part(self, start: int, stop: int) -> Buffers:
        """Channels start to stop - 1 of the same memory."""
        if not 0 <= start < stop <= self.channels:
            raise B2nnError(f"channels {start} to {stop} are not in a map of {self.channels}")
        return replace(self, start=self.start + start, channels=stop - start)

    def inside(self, format: Literal["float", "bf16", "u8"] = "float") -> Tensor:
        """(N, C, H, W) view of a format without its border, its memory order channels_last."""
        b = self.border
        data = _held(self, format)
        data = data[:, b : b + self.height, b : b + self.width, self.start : self.start + self.channels]
        return data.permute(0, 3, 1, 2)


@dataclass
class Epilogue:
    """y = act(alpha * sum + gamma * Q + beta + shortcut), calculated from left to right in float32.

    Attributes:
        alpha, gamma, beta: (out,) or None for 1, 0, 0. Q is the sum of the window's signs over the output's group.
        beta_taps: (out, rows, columns) or None: added to beta for every tap of the kernel that lies inside the map.
        shortcut: a map of the output's shape with floats.
        act: a name in `b2nn.packed.step.ACTIVATIONS`.
        act_parameters: (out,) each: prelu has its slope, rprelu shift in, slope and shift out.
    """

    alpha: Tensor | None = None
    gamma: Tensor | None = None
    beta: Tensor | None = None
    beta_taps: Tensor | None = None
    shortcut: Buffers | None = None
    act: str = "none"
    act_parameters: Sequence[Tensor] = ()


PLAIN = Epilogue()


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
    step.point(offset=_int32(tap * pitch * unit + weights.spots[:, 2]), weight=weights.data)
    step.steps, step.weight_pitch = len(tap), outputs
    step.group_weight = weights.data.size // weights.groups
    first = _corner(source, dest, stride, padding)
    step.point(in_=_int32(first * pitch))
    classes, inside = border_classes(
        (source.height, source.width), (dest.height, dest.width), *geometry)
    if weights.kind in ("bits", "int8"):
        _set_base(step, weights, inside, padding_value, source.zero)
    _set_epilogue(step, epilogue, dest, inside)
    if epilogue.gamma is not None:
        if weights.kind != "bits":
            raise B2nnError("gamma needs a binary conv")
        valid = inside.sum((1, 2))
        step.point(q_base=_int32(weights.inputs * (valid + padding_value * (inside[0].size - valid))))
    if len(inside) > 1 and (step.base_pitch or step.beta_pitch or epilogue.gamma is not None):
        step.point(border=_int32(np.broadcast_to(classes, (dest.images, *classes.shape))))
    else:
        step.base_pitch = step.beta_pitch = 0
    return _emit(step, dest, emit)


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
    held = _held(kernel, "float")
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
    held = _held(source, "float")
    step.keep.append(held)
    step.input = held.data_ptr() + 4 * source.start
    step.row_pitch = dilation[0] * source.physical[2] * source.total
    step.column_pitch = dilation[1] * source.total
    step.point(in_=_int32(_pixels(source, top, left) * source.total))
    window = np.stack(np.broadcast_arrays(rows[:, None], columns[None, :]), -1)
    step.point(window=_int32(np.broadcast_to(window, (dest.images, *window.shape))))
    area = full_rows[:, None] * full_columns if count_include_pad else rows[:, None] * columns
    step.point(divisor=np.ascontiguousarray(np.broadcast_to(area, (dest.images, *area.shape)), np.float32))
    _set_epilogue(step, epilogue, dest, None)
    return _emit(step, dest, emit)


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
    held = _held(source, "float")
    step.keep.append(held)
    step.input = held.data_ptr() + 4 * source.start
    step.point(in_=_int32(_pixels(source, np.arange(source.height), np.arange(source.width)) * source.total))
    _set_epilogue(step, epilogue, dest, None)
    same = source.float is dest.float and source.start == dest.start
    if emit is None and same and epilogue is PLAIN:
        emit = [name for name in _formats(dest) if name != "float"]
    return _emit(step, dest, emit)


def _held(buffers: Buffers, format: Format) -> Tensor:
    data = getattr(buffers, format)
    if data is None:
        raise B2nnError(f"the map has no {format} format; add it first")
    return data


def _formats(buffers: Buffers) -> list[Format]:
    return [name for name in ("float", "bits", "bf16", "u8") if getattr(buffers, name) not in (None, [])]  # type: ignore[misc]


def _int32(values: NDArray[np.integer]) -> NDArray[np.int32]:
    if values.size and np.abs(values).max() >= 2**31:
        raise B2nnError("a map is too large for 32-bit offsets; use a smaller input or batch")
    return np.ascontiguousarray(values, np.int32)


def _taps(rows: int, columns: int) -> NDArray[np.int64]:
    at = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), -1).reshape(-1, 2)
    return np.pad(at, [(0, 0), (0, 1)])


def _pixels(buffers: Buffers, rows: NDArray[np.integer], columns: NDArray[np.integer]) -> NDArray[np.int64]:
    """(images, rows, columns) numbers of the physical pixels at rows and columns counted from the map's inside."""
    images, height, width = buffers.physical
    at = np.asarray(rows, np.int64)[:, None] + buffers.border
    return (np.arange(images)[:, None, None] * height + at) * width + np.asarray(columns, np.int64) + buffers.border


def _corner(source: Buffers, dest: Buffers, stride: Pair, padding: Pair) -> NDArray[np.int64]:
    """Numbers of the source's physical pixels under each output's first tap."""
    return _pixels(source, np.arange(dest.height) * stride[0] - padding[0],
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
        unit = 4 if weights.level == "avx2" else 1
        return bits.data.data_ptr() + source.start // 8, pitch, pitch // bits.groups, unit
    kinds: dict[str, tuple[Format, int]] = {"float": ("float", 1), "depthwise": ("float", 1), "bf16": ("bf16", 2),
                                            "int8": ("u8", 4)}
    format, per_lane = kinds[weights.kind]
    data = _held(source, format)
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
    step.point(base=_int32(padded.reshape(len(padded), -1)))
    step.base_pitch = padded[0].size if len(padded) > 1 else 0


def _set_epilogue(step: Step, epilogue: Epilogue, dest: Buffers, inside: NDArray[np.bool_] | None) -> None:
    groups = step.groups
    step.padded = -(-step.outputs // 16) * 16
    for name in ("alpha", "gamma"):
        values = getattr(epilogue, name)
        if values is not None:
            step.point(**{name: vector(_per_channel(values, dest, name), groups)})
    beta = None if epilogue.beta is None else _per_channel(epilogue.beta, dest, "beta").double()
    if epilogue.beta_taps is not None:
        if inside is None:
            raise B2nnError("beta_taps needs a conv")
        taps = torch.einsum("cyx,oyx->co", torch.from_numpy(inside).double(), epilogue.beta_taps.detach().double())
        beta = taps if beta is None else taps + beta
    if beta is not None:
        step.point(beta=vector(beta, groups))
        step.beta_pitch = groups * step.padded if beta.ndim == 2 and len(beta) > 1 else 0
    if epilogue.shortcut is not None:
        _set_shortcut(step, epilogue.shortcut, dest)
    if epilogue.act not in ACTIVATIONS:
        raise B2nnError(f"activation {epilogue.act!r} is unknown; choose one of {', '.join(ACTIVATIONS)}")
    step.act = ACTIVATIONS[epilogue.act]
    needed = {"prelu": 1, "rprelu": 3}.get(epilogue.act, 0)
    if len(epilogue.act_parameters) != needed:
        raise B2nnError(f"{epilogue.act} takes {needed} parameters a channel, not {len(epilogue.act_parameters)}")
    for name, values in zip(("act_a", "act_b", "act_c"), epilogue.act_parameters, strict=False):
        step.point(**{name: vector(_per_channel(values, dest, epilogue.act), groups)})


def _set_shortcut(step: Step, shortcut: Buffers, dest: Buffers) -> None:
    shape = (shortcut.images, shortcut.channels, shortcut.height, shortcut.width)
    if shape != (dest.images, dest.channels, dest.height, dest.width):
        raise B2nnError(f"a shortcut of {shape} does not fit the output")
    held = _held(shortcut, "float")
    step.keep.append(held)
    step.shortcut = held.data_ptr() + 4 * shortcut.start
    step.shortcut_pitch = shortcut.total
    step.point(shortcut_pixel=_int32(_pixels(shortcut, np.arange(dest.height), np.arange(dest.width))))


def _per_channel(values: Tensor, dest: Buffers, name: str) -> Tensor:
    values = values.detach().float().reshape(-1)
    if len(values) == 1:
        values = values.expand(dest.channels)
    if len(values) != dest.channels:
        raise B2nnError(f"{name} has {len(values)} values for {dest.channels} channels")
    return values


def _emit(step: Step, dest: Buffers, emit: Sequence[Format] | None) -> list[Step]:
    """Where the step writes; further steps where bits cannot be written along."""
    formats = _formats(dest) if emit is None else list(emit)
    step.pixels = dest.images * dest.height * dest.width
    step.point(out=_int32(_pixels(dest, np.arange(dest.height), np.arange(dest.width))))
    for format, name in (("float", "f32"), ("bf16", "bf16"), ("u8", "u8")):
        if format in formats:
            held = _held(dest, format)  # type: ignore[arg-type]
            step.keep.append(held)
            setattr(step, name, held.data_ptr() + dest.start * held.element_size())
            setattr(step, f"{name}_pitch", held.shape[3])
    step.u8_inverse, step.u8_zero = 1 / dest.scale, dest.zero
    later: list[Step] = []
    for bits in dest.bits if "bits" in formats else ():
        if _writes_along(step, dest, bits):
            plane = step.bits[step.bit_planes]
            _set_plane(step, plane, bits, dest.start // 8, dest.start, dest.channels, step.groups)
            step.bit_planes += 1
        else:
            if "float" not in formats and step.kind != KINDS["load"]:
                raise B2nnError(f"bits in {bits.groups} slots of {dest.total // bits.groups} channels need floats too")
            later += _pack_slots(dest, bits)
    main = step if step.bit_planes or step.f32 or step.bf16 or step.u8 else None
    return [*([main] if main else []), *later]


def _writes_along(step: Step, dest: Buffers, bits: Bits) -> bool:
    """Whether the step's vectors of 16 outputs are whole words of 16 bits in the plane."""
    slots = bits.groups == 1 or dest.total // bits.groups % SLOT == 0
    ends = dest.channels % 16 == 0 or dest.start + dest.channels == dest.total
    return slots and dest.start % 16 == 0 and ends and (step.groups == 1 or step.outputs % 16 == 0)


def _pack_slots(dest: Buffers, bits: Bits) -> list[Step]:
    """Steps that write bits from a map's floats, one a slot that has channels of `dest`."""
    size, steps = dest.total // bits.groups, []
    for group in range(bits.groups):
        first, last = max(dest.start, group * size), min(dest.start + dest.channels, (group + 1) * size)
        if first >= last:
            continue
        if (first - group * size) % 16 or ((last - first) % 16 and last != (group + 1) * size):
            raise B2nnError("bits of a part of a map need channels in sixteens")
        step = Step()
        step.kind, step.outputs, step.padded = KINDS["load"], last - first, -(-(last - first) // 16) * 16
        held = _held(dest, "float")
        step.keep.append(held)
        step.input = held.data_ptr() + 4 * first
        inside = _pixels(dest, np.arange(dest.height), np.arange(dest.width))
        step.point(in_=_int32(inside * dest.total), out=_int32(inside))
        step.pixels = inside.size
        at = group * (bits.data.shape[3] // bits.groups) + (first - group * size) // 8
        _set_plane(step, step.bits[0], bits, at, first, last - first, 1)
        step.bit_planes = 1
        steps.append(step)
    return steps


def _set_plane(step: Step, plane: BitPlane, bits: Bits, at: int, first: int, count: int, groups: int) -> None:
    threshold = vector(bits.threshold[first : first + count], groups)
    step.keep += [threshold, bits.data]
    plane.data = bits.data.data_ptr() + at
    plane.threshold, plane.pitch = threshold.ctypes.data, bits.data.shape[3]


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
