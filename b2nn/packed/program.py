"""A packed network as data: steps over named values, for any input size.

A value is a tensor: a map (N, C, H, W) where convs and pools read or write it. What is folded into a conv is its
epilogue,

    y = act(alpha P + gamma Q + beta + C + shortcut),

with P the conv's sums, of ±1 products where the inputs are bits, Q the sum of the ±1 inputs in the window, and C what
`Conv.centre` says. Channel constants are (out,) float32.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

ACTIVATIONS = ("none", "relu", "relu6", "prelu", "rprelu", "binrelu", "hardswish", "sigmoid")
PRECISIONS = ("bits", "float32", "bf16", "int8")


@dataclass(frozen=True)
class Activation:
    """`relu`, `relu6`, `hardswish`, `sigmoid`, `binrelu` (max(x, -1)), `prelu` (x > 0 ? x : slope x), `rprelu` (a
    PReLU between two shifts, PReLU(x - shift_in) + shift_out) or `none`. Slope and shifts are (C,).
    """

    name: str = "none"
    slope: Tensor | None = None
    shift_in: Tensor | None = None
    shift_out: Tensor | None = None


NO_ACTIVATION = Activation()


@dataclass(frozen=True, eq=False)
class Conv:
    """A 2-D conv or linear layer with everything that follows it at once.

    Attributes:
        source, result: values. `result` may be written by several convs, each its own channels.
        weight: (out, in / groups, kh, kw); signs as bool, True for +1, where `precision` is ``bits``, whole numbers
            within ±127 as int8 where it is ``int8``, else float32.
        alpha, beta: see the module; BatchNorm, scales and bias.
        stride, padding, dilation: (rows, columns). Padding counts 0.
        precision: in which sums are taken, one of `PRECISIONS`.
        threshold: (in,) of ``bits``; an input is +1 where it is >= its threshold, else -1 (so is NaN).
        gamma: factor of Q, or None.
        centre: (in,) c. The inputs stand for s + c rather than s = ±1, the weights for alpha S + gamma, so
            C = sum of c (alpha S + gamma) over those taps that lie inside the map. None where c is 0.
        scale, zero: of ``int8``; an input is scale (q - zero), q = 0 to 255. `alpha` holds the scale already.
        shortcut: value that is added, of the same shape as `result`.
        first, channels: the conv makes channels `first` to `first + out` of the `channels` of `result`.
        linear: channels are the last axis of `source` and `result`, and there are no maps.
        flat: what was folded in takes the second axis for that of the channels, so `source` must be (N, in).
    """

    source: str
    result: str
    weight: Tensor
    alpha: Tensor
    beta: Tensor
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    precision: str = "float32"
    threshold: Tensor | None = None
    gamma: Tensor | None = None
    centre: Tensor | None = None
    scale: float = 1.0
    zero: int = 0
    activation: Activation = NO_ACTIVATION
    shortcut: str | None = None
    first: int = 0
    channels: int = 0
    linear: bool = False
    flat: bool = False

    @property
    def whole(self) -> bool:
        """Whether the conv makes all channels of its result."""
        return len(self.weight) == self.channels

    def centre_taps(self) -> Tensor | None:
        """What each tap adds to C where it lies inside the map, (out, kh, kw) float64; None without a centre."""
        if self.centre is None:
            return None
        signs = self.weight.double() * 2 - 1
        centres = self.centre.double().view(self.groups, -1).repeat_interleave(len(self.weight) // self.groups, 0)
        gamma = torch.zeros_like(self.beta) if self.gamma is None else self.gamma
        weights = self.alpha.double()[:, None, None, None] * signs + gamma.double()[:, None, None, None]
        return torch.einsum("ocij,oc->oij", weights, centres)


@dataclass(frozen=True, eq=False)
class Pool:
    """``max`` or ``average`` pooling of a map, arguments as in torch."""

    source: str
    result: str
    kind: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    ceil_mode: bool = False
    count_include_pad: bool = True


@dataclass(frozen=True, eq=False, kw_only=True)
class Affine:
    """act(alpha y + beta) of what a step makes; alpha and beta are (C,), without them 1 and 0."""

    alpha: Tensor | None = None
    beta: Tensor | None = None
    activation: Activation = NO_ACTIVATION


@dataclass(frozen=True, eq=False)
class Elementwise(Affine):
    """act(alpha x + beta + other) of a map."""

    source: str
    result: str
    other: str | None = None


@dataclass(frozen=True)
class Value:
    """A value among the arguments of a `TorchStep`, and in `Program.output`."""

    name: str


@dataclass(frozen=True, eq=False)
class TorchStep:
    """Anything else: `function(*args, **kwargs)` in torch.

    Attributes:
        function: what to call, see `b2nn.packed.functions`; its name there for a file, "" if it has none.
        layer: the module it stands for, for messages.
        args, kwargs: nested tuples, lists, dicts and slices of `Value`s, tensors and plain constants.
    """

    result: str
    function: Any
    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    layer: str = ""


@dataclass(frozen=True)
class Compare:
    """Each pixel of a map (N, C, H, W) times each of a kernel (N, C, h, w), summed over channels: (N, h w, H, W)."""

    source: str
    kernel: str
    result: str


@dataclass(frozen=True, eq=False)
class Correlate(Affine):
    """act(alpha y + beta), y each channel of a map (N, C, H, W) with the same channel of a kernel (N, C, h, w).

    The kernel's centre moves over the map, with zeros around: h // 2 on all sides.
    """

    source: str
    kernel: str
    result: str


@dataclass(frozen=True)
class Mean:
    """Mean over a map's pixels, (N, C, 1, 1)."""

    source: str
    result: str


@dataclass(frozen=True)
class Gate:
    """A map times one number a channel, (N, C, 1, 1)."""

    source: str
    gates: str
    result: str


Step = Conv | Pool | Elementwise | TorchStep | Compare | Correlate | Mean | Gate


@dataclass(frozen=True)
class Program:
    """Steps in the order in which they run.

    Attributes:
        inputs: names of the arguments' values.
        output: nested as the traced function returned it, with `Value`s for tensors.
    """

    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    output: Any


def values_in(nested: Any) -> list[str]:
    """Names of the `Value`s in nested arguments."""
    if isinstance(nested, Value):
        return [nested.name]
    if isinstance(nested, slice):
        return values_in((nested.start, nested.stop, nested.step))
    if isinstance(nested, dict):
        nested = tuple(nested.values())
    if isinstance(nested, tuple | list):
        return [name for item in nested for name in values_in(item)]
    return []


def substituted(nested: Any, values: dict[str, Any]) -> Any:
    """`nested` with what the `Value`s stand for in their place."""
    if isinstance(nested, Value):
        return values[nested.name]
    if isinstance(nested, slice):
        return slice(*(substituted(part, values) for part in (nested.start, nested.stop, nested.step)))
    if isinstance(nested, dict):
        return {key: substituted(item, values) for key, item in nested.items()}
    if isinstance(nested, tuple) and hasattr(nested, "_fields"):
        return type(nested)(*(substituted(item, values) for item in nested))
    if isinstance(nested, tuple | list):
        return type(nested)(substituted(item, values) for item in nested)
    return nested


def joined(first: Program, second: Program, result: str) -> Program:
    """Both programs as one: what `first` returns is the input `result` of `second`, whose other inputs come first.

    Args:
        first: of one output.
    """
    own = {name: f"{result}:{name}" for name in (*first.inputs, *(step.result for step in first.steps))}
    steps = [_with_names(step, own) for step in first.steps]
    output = own[first.output.name]
    steps += [_with_names(step, {result: output}) for step in second.steps]
    inputs = (*(name for name in second.inputs if name != result), *(own[name] for name in first.inputs))
    return Program(inputs, tuple(steps), _renamed(second.output, {result: output}))


def _with_names(step: Step, names: dict[str, str]) -> Step:
    """The step with other names for values."""
    if isinstance(step, TorchStep):
        return replace(step, result=names.get(step.result, step.result), args=_renamed(step.args, names),
                       kwargs=_renamed(step.kwargs, names))
    fields = [name for name in ("source", "result", "shortcut", "other", "kernel", "gates")
              if isinstance(getattr(step, name, None), str)]
    return replace(step, **{name: names.get(getattr(step, name), getattr(step, name)) for name in fields})


def _renamed(nested: Any, names: dict[str, str]) -> Any:
    return substituted(nested, {name: Value(names.get(name, name)) for name in values_in(nested)})


def sources(step: Step) -> list[str]:
    """Names of the values that a step reads."""
    if isinstance(step, TorchStep):
        return values_in((step.args, step.kwargs))
    second = {Conv: "shortcut", Elementwise: "other", Compare: "kernel", Correlate: "kernel",
              Gate: "gates"}.get(type(step))
    other = None if second is None else getattr(step, second)
    return [step.source] if other is None else [step.source, other]
