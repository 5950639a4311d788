"""Programs in plain torch: what the native kernels are compared with, and what runs where there are none.

Every multiplication and addition of an epilogue is done by itself, in the order in which it is written, as the native
kernels do it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from b2nn.errors import B2nnError
from b2nn.packed.program import (
    Activation,
    Compare,
    Conv,
    Correlate,
    Elementwise,
    Gate,
    Mean,
    Pool,
    Program,
    Step,
    TorchStep,
    sources,
    substituted,
)


def run(program: Program, inputs: Sequence[Any],
        on_step: Callable[[Step, dict[str, Any]], None] = lambda step, values: None,
        do: Callable[[Step, dict[str, Any]], None] | None = None) -> Any:
    """Run a program on its arguments.

    Args:
        on_step: called after every step with it and all values so far, by name.
        do: does a step in the place of `perform`.

    Raises:
        B2nnError: a step that cannot take its inputs; the message names it and their shapes.
    """
    values = dict(zip(program.inputs, inputs, strict=True))
    for step in program.steps:
        try:
            (do or perform)(step, values)
        except B2nnError:
            raise
        except Exception as error:  # torch has many kinds
            given = ", ".join(f"{name} {_described(values[name])}" for name in sources(step))
            line = next(iter(str(error).splitlines()), type(error).__name__)
            raise B2nnError(f"step {step.result!r} cannot take {given or 'its arguments'}: {line}; check the shapes "
                            "and types of the inputs") from error
        on_step(step, values)
    return substituted(program.output, values)


def _described(value: Any) -> str:
    return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}" if isinstance(value, Tensor) else \
        type(value).__name__


def perform(step: Step, values: dict[str, Any]) -> None:
    """Do one step: read its sources in `values` and put its result there."""
    if isinstance(step, TorchStep):
        values[step.result] = step.function(*substituted(step.args, values), **substituted(step.kwargs, values))
    elif isinstance(step, Pool):
        values[step.result] = _pool(step, values[step.source])
    elif isinstance(step, Compare):
        x, kernel = values[step.source], values[step.kernel]
        values[step.result] = (kernel.flatten(2).transpose(1, 2) @ x.flatten(2)).unflatten(2, x.shape[2:])
    elif isinstance(step, Correlate):
        y = _correlation(values[step.source], values[step.kernel])
        values[step.result] = _affine(step, y)
    elif isinstance(step, Mean):
        values[step.result] = values[step.source].mean((2, 3), keepdim=True)
    elif isinstance(step, Gate):
        values[step.result] = values[step.source] * values[step.gates]
    elif isinstance(step, Elementwise):
        values[step.result] = _affine(step, values[step.source], values.get(step.other or ""))
    else:
        result = conv(step, values[step.source], values.get(step.shortcut or ""))
        if not step.whole:
            axis = -1 if step.linear else 1
            if step.first == 0:
                values[step.result] = result.new_empty(*result.shape[:axis % result.ndim], step.channels,
                                                       *result.shape[axis % result.ndim + 1:])
            values[step.result].narrow(axis, step.first, len(step.weight)).copy_(result)
        else:
            values[step.result] = result


def conv(step: Conv, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
    """The conv with its epilogue, on a float map (N, in, H, W) or for a linear layer (..., in)."""
    check(step, x)
    lead = x.shape[:-1]
    if step.linear:
        x = x.reshape(-1, x.shape[-1], 1, 1)
    y = sums(step, x) * _column(step.alpha)
    if step.gamma is not None:
        y = y + _column(step.gamma) * _input_sums(step, x)
    y = y + _constants(step, x)
    if step.linear:
        y = y.reshape(*lead, len(step.weight))
    if shortcut is not None:
        whole = step.whole or not isinstance(shortcut, Tensor)
        y = y + (shortcut if whole else shortcut.narrow(-1 if step.linear else 1, step.first, len(step.weight)))
    return activate(step.activation, y, -1 if step.linear else 1)


def check(step: Conv, x: Tensor) -> None:
    """Whether a conv can read x; `B2nnError` says why it cannot."""
    inputs = step.weight.shape[1] * step.groups
    if step.flat and x.ndim != 2:
        raise B2nnError("a linear layer with BatchNorm or an activation per channel was packed for inputs (N, in), "
                        f"not {tuple(x.shape)}; normalise the last axis, or reshape to two axes before it")
    if step.linear and x.shape[-1:] != (inputs,):
        raise B2nnError(f"linear layer {step.result!r} takes (..., {inputs}), not {tuple(x.shape)}")
    if not step.linear and (x.ndim != 4 or x.shape[1] != inputs):
        raise B2nnError(f"conv {step.result!r} takes (N, {inputs}, H, W), not {tuple(x.shape)}")
    if step.precision != "bits" and x.dtype != torch.float32:
        raise B2nnError(f"layer {step.result!r} takes float32, not {x.dtype}; call .float() on what it reads")


def sums(step: Conv, x: Tensor) -> Tensor:
    """P: (N, out, H', W') float32; whole numbers where inputs are bits or int8."""
    weight = step.weight
    if step.precision == "bits":
        return _conv2d(step, bits(step, x), weight.float() * 2 - 1)
    if step.precision == "int8":
        # Sums of more than 24 bits: float64 holds them.
        return _conv2d(step, (quantized(step, x) - step.zero).double(), weight.double()).float()
    if step.precision == "bf16":
        return _conv2d(step, x.bfloat16().float(), weight.bfloat16().float())
    return _conv2d(step, x, weight)


def bits(step: Conv, x: Tensor) -> Tensor:
    """The inputs as ±1 float32."""
    return torch.where(x >= _column(step.threshold), 1.0, -1.0)


def quantized(step: Conv, x: Tensor) -> Tensor:
    """The inputs as whole numbers 0 to 255, float32; NaN as the least."""
    return (torch.round(x * (1 / step.scale)) + step.zero).clamp(0, 255).nan_to_num(0.0)


def activate(activation: Activation, y: Tensor, axis: int = 1) -> Tensor:
    """The activation of a map; `axis` is that of the channels."""
    if activation.name == "none":
        return y
    if activation.name == "relu":
        return y.clamp(min=0)
    if activation.name == "relu6":
        return y.clamp(0, 6)
    if activation.name == "binrelu":
        return y.clamp(min=-1)
    if activation.name == "hardswish":
        return F.hardswish(y)
    if activation.name == "sigmoid":
        return y.sigmoid()

    def along(channels: Any) -> Tensor:
        return channels.view(-1, *[1] * (y.ndim - axis % y.ndim - 1))

    if activation.name == "rprelu":
        y = y - along(activation.shift_in)
    y = torch.where(y > 0, y, along(activation.slope) * y)  # NaN stays
    return y + along(activation.shift_out) if activation.name == "rprelu" else y


def _pool(step: Pool, x: Tensor) -> Tensor:
    if step.kind == "max":
        return F.max_pool2d(x, step.kernel, step.stride, step.padding, ceil_mode=step.ceil_mode)
    return F.avg_pool2d(x, step.kernel, step.stride, step.padding, step.ceil_mode, step.count_include_pad)


def _correlation(x: Tensor, kernel: Tensor) -> Tensor:
    """(N, C, H', W'), each image and channel with its own kernel."""
    images, channels, size, _ = kernel.shape
    y = F.conv2d(x.flatten(0, 1)[None], kernel.flatten(0, 1)[:, None], padding=size // 2, groups=images * channels)
    return y[0].unflatten(0, (images, channels))


def _affine(step: Elementwise | Correlate, x: Tensor, other: Tensor | None = None) -> Tensor:
    if step.alpha is not None:
        x = x * _column(step.alpha)
    if step.beta is not None:
        x = x + _column(step.beta)
    return activate(step.activation, x if other is None else x + other)


def _conv2d(step: Conv, x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight, None, step.stride, step.padding, step.dilation, step.groups)


def _input_sums(step: Conv, x: Tensor) -> Tensor:
    """Q: (N, out, H', W'), the same for all channels of a group."""
    each = len(step.weight) // step.groups
    window = torch.ones(step.groups, *step.weight.shape[1:])
    return _conv2d(step, bits(step, x), window).repeat_interleave(each, 1)


def _constants(step: Conv, x: Tensor) -> Tensor:
    """beta + C: (1, out, H', W'), or 1 in place of H' and W' where no tap's place matters."""
    taps = step.centre_taps()
    if taps is None:
        return _column(step.beta)
    inside = x.new_ones(1, 1, *x.shape[2:], dtype=torch.float64)
    constants = F.conv2d(inside, taps[:, None], step.beta.double(), step.stride, step.padding, step.dilation)
    return constants.float()


def _column(channels: Any) -> Tensor:
    return channels.view(-1, 1, 1)
