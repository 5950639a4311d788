"""Which channels of a network can only be removed together.

One run of the network is watched at the level of aten calls, whatever modules or functions made them, and
`axes` says what each of them ties. What is tied to the network's inputs, to its outputs or to a call without
a rule is fixed: a group that is returned can be pruned, everything else is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from b2nn.axes import Axes, follow, tensors_in
from b2nn.errors import B2nnError
from b2nn.trace import evaluating


@dataclass(frozen=True)
class Slot:
    """One dimension of one parameter or buffer.

    Attributes:
        tensor: qualified name, as in `named_parameters` or `named_buffers`.
        dim: the dimension that holds the channels.
        extent: its length.
        repeats: how often all channels follow one another in it, see `ChannelGroup`.
        role: ``weight`` where a conv or linear layer makes the channels, ``scale`` for a BatchNorm's γ, or
            ``other``.
    """

    tensor: str
    dim: int
    extent: int
    repeats: int
    role: str


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that are removed in all `slots` at once.

    The extent of a slot is repeats·size·b; channel c is the entries [:, c, :] of (repeats, size, b). Mostly
    repeats and b are 1. b is more in a linear layer on a flattened map and behind a depthwise conv with
    several outputs a channel; repeats are the groups of a grouped conv, which all lose the same channels.

    Attributes:
        name: the conv or linear module that makes the channels, the first of them in the model.
        size: number of channels.
        slots: every place where they are stored.
    """

    name: str
    size: int
    slots: tuple[Slot, ...]


def channel_groups(model: nn.Module, *inputs: Any, forward: Callable[..., Any] | None = None,
                   keep: Sequence[str] = ()) -> tuple[ChannelGroup, ...]:
    """The groups of channels that can be removed from `model`, in the order of its parameters.

    GroupNorm, LayerNorm, softmax, attention and concatenation of channels fix what enters them, and so does a
    view that splits channels.

    Args:
        model: any module; left as it was found. A layer that does not run keeps its shape, so everything that
            carries these channels must run.
        inputs: arguments of the run, batch 1.
        forward: called with `inputs`; the model itself by default.
        keep: fnmatch patterns of qualified module names whose output channels stay.

    Raises:
        B2nnError: a pattern of `keep` matches no module, or the run returns no tensor.
    """
    named = dict(model.named_modules())
    kept: list[nn.Module] = []
    for pattern in keep:
        matched = [module for name, module in named.items() if fnmatchcase(name, pattern)]
        if not matched:
            raise B2nnError(f"keep pattern {pattern!r} matches no module; the model has "
                            f"{', '.join(list(named)[1:6])}, ...")
        kept += matched
    axes, places = _label(model)
    with evaluating(model), torch.no_grad(), _Watch(axes, kept):
        output = (forward or model)(*inputs)
    if not list(tensors_in(output)):
        raise B2nnError(f"the run returns {type(output).__name__} without a tensor; return the tensors whose "
                        "channels must stay")
    _fix(axes, output)
    return _collect(axes, places)


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by qualified name, each once."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _label(model: nn.Module) -> tuple[Axes, dict[int, tuple[str, int, int]]]:
    """An axis for each dimension longer than 1 of each parameter and buffer: its tensor, place and extent."""
    axes = Axes()
    places: dict[int, tuple[str, int, int]] = {}
    for name, tensor in named_tensors(model).items():
        dims = tuple(axes.new(extent) if extent > 1 else None for extent in tensor.shape)
        axes.set_dims(tensor, dims)
        places.update({axis: (name, dim, tensor.shape[dim])
                       for dim, axis in enumerate(dims) if axis is not None})
    return axes, places


def _fix(axes: Axes, value: Any) -> None:
    for tensor in tensors_in(value):
        axes.fix(axes.dims(tensor))


def _collect(axes: Axes, places: dict[int, tuple[str, int, int]]) -> tuple[ChannelGroup, ...]:
    """The sets of axes that are not fixed and whose channels a conv or linear layer makes."""
    groups = []
    for tied in axes.sets():
        slots = tuple(Slot(*places[axis], tied.repeats[axis], axes.roles.get(axis, "other"))
                      for axis in sorted(tied.repeats) if axis in places)
        makers = [slot.tensor.rpartition(".")[0] for slot in slots if slot.role == "weight"]
        if makers:
            groups.append(ChannelGroup(makers[0], tied.size, slots))
    return tuple(groups)


class _Watch(TorchDispatchMode):
    """Follows the axes through every aten call; fixes those of the outputs of the modules in `kept`."""

    def __init__(self, axes: Axes, kept: Sequence[nn.Module]) -> None:
        super().__init__()
        self.axes = axes
        self._kept = kept
        self._hooks: list[Any] = []

    def __enter__(self) -> _Watch:
        self._hooks = [module.register_forward_hook(lambda _module, _args, out: _fix(self.axes, out))
                       for module in self._kept]
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for hook in self._hooks:
            hook.remove()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        follow(self.axes, func, args, kwargs, out)
        return out
