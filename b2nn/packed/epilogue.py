"""What a step does with its sums, and which formats of which map it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2nn.errors import B2nnError
from b2nn.packed.buffers import Bits, Buffers, Format
from b2nn.packed.layout import SLOT, int32, vector
from b2nn.packed.step import ACTIVATIONS, KINDS, BitPlane, Step


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


def set_epilogue(step: Step, epilogue: Epilogue, dest: Buffers, inside: NDArray[np.bool_] | None) -> None:
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
    held = shortcut.held("float")
    step.keep.append(held)
    step.shortcut = held.data_ptr() + 4 * shortcut.start
    step.shortcut_pitch = shortcut.total
    step.point(shortcut_pixel=int32(shortcut.pixels(np.arange(dest.height), np.arange(dest.width))))


def _per_channel(values: Tensor, dest: Buffers, name: str) -> Tensor:
    values = values.detach().float().reshape(-1)
    if len(values) == 1:
        values = values.expand(dest.channels)
    if len(values) != dest.channels:
        raise B2nnError(f"{name} has {len(values)} values for {dest.channels} channels")
    return values


def written(step: Step, dest: Buffers, emit: Sequence[Format] | None) -> list[Step]:
    """Where the step writes; further steps where bits cannot be written along."""
    formats = dest.formats() if emit is None else list(emit)
    step.pixels, step.row = dest.images * dest.height * dest.width, dest.width
    step.point(out=int32(dest.all_pixels()))
    for format, name in (("float", "f32"), ("bf16", "bf16"), ("u8", "u8")):
        if format in formats:
            held = dest.held(format)  # type: ignore[arg-type]
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
        held = dest.held("float")
        step.keep.append(held)
        step.input = held.data_ptr() + 4 * first
        inside = dest.all_pixels()
        step.point(in_=int32(inside * dest.total), out=int32(inside))
        step.pixels, step.row = inside.size, dest.width
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
