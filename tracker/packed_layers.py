"""Which layer of a network each conv of its packed program stands for, and what that layer is stored and run in."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from b2nn.cost import CostTable
from b2nn.mixed import MixedUnit
from b2nn.packed.program import Conv, Program
from b2nn.packed.trace import trace
from b2nn.parts import by_layer
from tracker.errors import TrackerError


class Half(NamedTuple):
    """A layer's qualified name, and whether its binary channels are meant or the others."""

    layer: str
    binary: bool


def conv_halves(network: nn.Module, programs: Mapping[str, Program],
                methods: Sequence[str] = ("features", "respond")) -> list[tuple[Half, Conv]]:
    """The convs of these methods, by default of one frame, in the order in which they run, and what each stands for.

    Args:
        network: of the architecture that was packed, whatever its weights are.
        programs: of the packed network, by method.

    Raises:
        TrackerError: the network was packed from another architecture.
    """
    found = []
    for method in methods:
        program = programs[method]
        names = _layers(network, method, program)
        for step in program.steps:
            if isinstance(step, Conv):
                if step.result not in names or not _fits(network.get_submodule(names[step.result]), step):
                    raise TrackerError(f"the packed network's {step.result!r} is no layer of the architecture that it "
                                       "names; export it again")
                found.append((Half(names[step.result], step.precision == "bits"), step))
    return found


def by_unit(amounts: Mapping[Half, float], table: CostTable, full: Collection[str]) -> dict[str, float]:
    """What each unit has of the amounts of layers; parts of a layer in one precision share them by their channels.

    Args:
        table: units, with layers divided as the plan divides them.
        full: the eligible units that are in full precision.
    """
    halves, channels = {}, dict.fromkeys(amounts, 0)
    for unit in table.units:
        names = {layer for name in (unit.name, *unit.aliases) for layer in by_layer([name])}
        half = Half("", unit.eligible and unit.name not in full)
        halves[unit.name] = [key for name in names if (key := half._replace(layer=name)) in amounts]
        for key in halves[unit.name]:
            channels[key] += unit.weight_shape[0]
    return {unit.name: sum(amounts[key] * unit.weight_shape[0] / channels[key] for key in halves[unit.name])
            for unit in table.units}


def stored_bytes(convs: Collection[tuple[Half, Conv]]) -> dict[Half, float]:
    """Bytes of weights and channel constants as a file holds them, each tensor once."""
    stored: dict[Half, float] = defaultdict(float)
    known: set[int] = set()
    for half, step in convs:
        activation = step.activation
        for tensor in (step.weight, step.alpha, step.beta, step.gamma, step.centre, step.threshold, activation.slope,
                       activation.shift_in, activation.shift_out):
            if tensor is not None and id(tensor) not in known:
                known.add(id(tensor))
                stored[half] += _bytes(tensor)
    return stored


def _bytes(tensor: Tensor) -> int:
    bits = 1 if tensor.dtype == torch.bool else 8 * tensor.element_size()
    return math.ceil(tensor.numel() * bits / 8)


def _layers(network: nn.Module, method: str, program: Program) -> dict[str, str]:
    """Layers by the values that their convs make.

    A value has the name of the last node of the traced method that was folded into its conv, so those are looked
    through that follow a layer one by one; what a layer takes several steps for has its own name and a colon before.
    """
    made = {step.result for step in program.steps if isinstance(step, Conv)}
    layers = {}
    for node in trace(network, method).nodes:
        if node.op == "call_module" and isinstance(network.get_submodule(str(node.target)),
                                                   nn.Conv2d | nn.Linear | MixedUnit):
            own = {name for name in made if name.startswith(f"{node.name}:")}
            layers.update(dict.fromkeys(own or {_last(node, made)}, str(node.target)))
    return layers


def _last(node: fx.Node, made: set[str]) -> str:
    while node.name not in made and len(node.users) == 1:
        (node,) = node.users
    return node.name


def _fits(layer: Any, step: Conv) -> bool:
    return isinstance(layer, MixedUnit) or layer.weight.numel() == step.weight.numel()
