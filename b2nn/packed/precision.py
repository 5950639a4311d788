"""Convs in full precision, computed in bfloat16 or 8-bit integers instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor

from b2nn.packed.program import Conv, Program

Programs = Mapping[str, Program]
FP_PRECISIONS = ("float32", "bf16", "int8")
_LEAST_OUTPUTS = 8  # fewer make a prediction: little to gain, much to lose


class Range(NamedTuple):
    """The least and the greatest input that a u8 map can hold; others are clipped."""

    low: float
    high: float


def narrows(step: object) -> TypeGuard[Conv]:
    """Whether a step is a conv that a lower precision makes faster: not depthwise or grouped, and no prediction."""
    return isinstance(step, Conv) and step.precision == "float32" and step.groups == 1 and not step.linear and \
        len(step.weight) >= _LEAST_OUTPUTS


def to_bf16(programs: Programs) -> Programs:
    """The programs with inputs and weights of those convs rounded to bfloat16; sums are float32."""
    rounded: dict[int, Tensor] = {}

    def change(_method: str, step: Conv) -> Conv:
        weight = rounded.setdefault(id(step.weight), step.weight.bfloat16())
        return replace(step, precision="bf16", weight=weight)

    return _changed(programs, change)


def to_int8(programs: Programs, ranges: Mapping[tuple[str, str], Range]) -> Programs:
    """The programs with 8-bit weights, symmetric per output channel, and 8-bit inputs, one scale a map.

    Args:
        ranges: of the maps that the convs read, by method and value. A conv whose map has none stays as it is.
    """
    whole: dict[int, tuple[Tensor, Tensor]] = {}

    def change(method: str, step: Conv) -> Conv:
        if (method, step.source) not in ranges:
            return step
        scale, zero = u8(ranges[method, step.source])
        weight, scales = whole.setdefault(id(step.weight), _int8_weights(step.weight))
        alpha = (step.alpha.double() * scales.double() * scale).float()
        return replace(step, precision="int8", weight=weight, scale=scale, zero=zero, alpha=alpha)

    return _changed(programs, change)


def _changed(programs: Programs, change: Callable[[str, Conv], Conv]) -> Programs:
    return {method: replace(program, steps=tuple(
        change(method, step) if narrows(step) else step for step in program.steps))
        for method, program in programs.items()}


def u8(span: Range) -> tuple[float, int]:
    """Scale and zero point; 0 is held exactly, since padding is 0."""
    low, high = min(span.low, 0.0), max(span.high, 0.0)
    scale = float(torch.tensor((high - low) / 255 or 1.0))  # as float32 holds it
    return scale, min(max(round(-low / scale), 0), 255)


def _int8_weights(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(out, ...) int8 within ±127 and the (out,) scale of each channel."""
    scales = weight.abs().amax((1, 2, 3)).clamp(min=1e-12) / 127
    return torch.round(weight / scales[:, None, None, None]).clamp(-127, 127).to(torch.int8), scales

