"""Whether the steps of a file are such as `pack` makes: the kernels take them on trust."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from b2nn.packed.program import (
    ACTIVATIONS,
    PRECISIONS,
    Activation,
    Conv,
    Elementwise,
    Pool,
    Program,
    Step,
    TorchStep,
    sources,
    values_in,
)

_LARGEST = 2**15  # of strides, paddings and the like
_MOST_CHANNELS = 2**24
_WEIGHTS = {"bits": torch.bool, "float32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}
_PARAMETERS = {"prelu": ("slope",), "rprelu": ("slope", "shift_in", "shift_out")}


def validated(program: Program) -> Program:
    """The program, if its steps are sound and read only what was made before them.

    Raises:
        ValueError, TypeError: they are not; the message names the step.
    """
    known = set(program.inputs)
    if len(known) < len(program.inputs):
        raise ValueError("two inputs have one name")
    for step in program.steps:
        if not isinstance(step, Conv | Pool | Elementwise | TorchStep):
            raise TypeError(f"{type(step).__name__} is no step")
        _valid_names(step)
        checks: dict[type, Callable[[Any], None]] = {Conv: _conv, Pool: _pool, Elementwise: _elementwise,
                                                     TorchStep: _torch}
        checks[type(step)](step)
        if missing := set(sources(step)) - known:
            raise ValueError(f"{step.result!r} reads {sorted(missing)[0]!r}, which is not made before it")
        known.add(step.result)
    if missing := set(values_in(program.output)) - known:
        raise ValueError(f"the output {sorted(missing)[0]!r} is not made")
    _parts(program)
    return program


def _need(holds: bool, step: Step, what: str) -> None:
    if not holds:
        raise ValueError(f"step {step.result!r} has {what} that no packed network has")


def _valid_names(step: Step) -> None:
    for entry in fields(step):
        value = getattr(step, entry.name)
        if entry.name in ("source", "result", "name", "layer") or (entry.name in ("shortcut", "other") and value):
            _need(isinstance(value, str), step, f"a {entry.name}")


def _conv(step: Conv) -> None:
    _need(step.precision in PRECISIONS, step, "a precision")
    weight = step.weight
    _need(isinstance(weight, Tensor) and weight.dtype == _WEIGHTS[step.precision] and weight.ndim == 4
          and weight.numel() > 0, step, "weights")
    outputs = len(weight)
    _need(_whole(step.groups, 1, outputs) and outputs % step.groups == 0, step, "groups")
    for name, least in (("stride", 1), ("padding", 0), ("dilation", 1)):
        _pair(step, name, least)
    _vectors(step, outputs, "alpha", "beta")
    _need(step.gamma is None or _is_vector(step.gamma, outputs), step, "gamma")
    inputs = weight.shape[1] * step.groups
    _need((step.threshold is None) == (step.precision != "bits") and (
        step.threshold is None or _is_vector(step.threshold, inputs)), step, "thresholds")
    _need(step.centre is None or (step.precision == "bits" and _is_vector(step.centre, inputs)), step, "a centre")
    _need(step.gamma is None or step.precision == "bits", step, "gamma")
    _need(isinstance(step.scale, int | float) and math.isfinite(step.scale) and step.scale > 0, step, "a scale")
    _need(_whole(step.zero, 0, 255), step, "a zero point")
    _need(_whole(step.channels, 1, _MOST_CHANNELS) and _whole(step.first, 0, step.channels - outputs), step, "channels")
    _need(isinstance(step.linear, bool) and isinstance(step.flat, bool), step, "flags")
    _need(not step.linear or (weight.shape[2:] == (1, 1) and step.groups == 1 and step.whole), step, "a linear layer")
    _activation(step, outputs)


def _parts(program: Program) -> None:
    """Convs that make parts of one value make all of it, one after the other."""
    done: dict[str, int] = {}
    parts = [step for step in program.steps if isinstance(step, Conv) and not step.whole]
    for step in parts:
        _need(step.first == done.get(step.result, 0), step, "parts")
        done[step.result] = step.first + len(step.weight)
    for step in parts:
        _need(done[step.result] == step.channels, step, "parts")


def _pool(step: Pool) -> None:
    _need(step.kind in ("max", "average"), step, "a kind")
    for name, least in (("kernel", 1), ("stride", 1), ("padding", 0)):
        _pair(step, name, least)
    _need(isinstance(step.ceil_mode, bool) and isinstance(step.count_include_pad, bool), step, "flags")


def _elementwise(step: Elementwise) -> None:
    _need((step.alpha is None) == (step.beta is None), step, "constants")
    lengths = {len(value) for value in (step.alpha, step.beta) if value is not None and _is_vector(value)}
    _need(step.alpha is None or (len(lengths) == 1 and _is_vector(step.alpha) and _is_vector(step.beta)), step,
          "constants")
    _activation(step, None)


def _torch(step: TorchStep) -> None:
    _need(isinstance(step.args, tuple) and isinstance(step.kwargs, dict), step, "arguments")


def _activation(step: Conv | Elementwise, outputs: int | None) -> None:
    activation = step.activation
    _need(isinstance(activation, Activation) and activation.name in ACTIVATIONS, step, "an activation")
    wanted = _PARAMETERS.get(activation.name, ())
    for name in ("slope", "shift_in", "shift_out"):
        value = getattr(activation, name)
        _need((value is not None) == (name in wanted), step, f"an activation's {name}")
        if value is not None:
            fits = _is_vector(value) and (outputs is None or len(value) in (1, outputs))
            _need(fits, step, f"an activation's {name}")


def _vectors(step: Conv, length: int, *names: str) -> None:
    for name in names:
        _need(_is_vector(getattr(step, name), length), step, name)


def _is_vector(value: Any, length: int | None = None) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float32 and value.ndim == 1 and len(value) > 0 and \
        (length is None or len(value) == length)


def _pair(step: Conv | Pool, name: str, least: int) -> None:
    value = getattr(step, name)
    _need(isinstance(value, tuple) and len(value) == 2 and all(_whole(number, least, _LARGEST) for number in value),
          step, f"a {name}")


def _whole(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most
