"""Where the time of a frame goes in torch, layer by layer."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection
from typing import Any

import torch
from torch import nn

from b2nn.cost import CostTable
from b2nn.mixed import MixedUnit
from b2nn.parts import by_layer
from tracker.models import Network, example_inputs

ROUNDS = 10


def unit_seconds(network: Network, table: CostTable, full: Collection[str]) -> dict[str, float]:
    """Seconds that each unit took in one forward pass, and under ``""`` everything else; the least of `ROUNDS`.

    Args:
        network: as it is run, some units perhaps binary.
        table: its costs, with layers divided as its plan divides them. The parts of a layer that run in one precision
            share the time by their channels.
        full: the eligible units that are in full precision.
    """
    inputs = example_inputs(network)
    modules = {unit.name: _module(network, unit.name, unit.eligible and unit.name not in full)
               for unit in table.units}
    spent = [_one_pass(network, inputs, list(modules.values())) for _ in range(ROUNDS + 1)][1:]
    channels: dict[int, int] = defaultdict(int)
    for unit in table.units:
        channels[id(modules[unit.name])] += unit.weight_shape[0]

    def least(key: int) -> float:
        return min(one[key] for one in spent)  # whatever else the machine does only adds

    seconds = {unit.name: least(id(modules[unit.name])) * unit.weight_shape[0] / channels[id(modules[unit.name])]
               for unit in table.units}
    return {**seconds, "": max(0.0, least(0) - sum(seconds.values()))}


def _module(network: nn.Module, name: str, binary: bool) -> nn.Module:
    """What runs a unit: the layer, or the half of it that has the unit's precision."""
    layer, = by_layer([name])
    module = network.get_submodule(layer)
    if not isinstance(module, MixedUnit):
        return module
    return module.binary if binary else module.full


def _one_pass(network: nn.Module, inputs: Any, modules: list[nn.Module]) -> dict[int, float]:
    """Seconds by `id` of the module, and under 0 of the whole pass."""
    spent: dict[int, float] = defaultdict(float)
    started: dict[int, float] = {}

    def start(module: nn.Module, _inputs: Any) -> None:
        started[id(module)] = time.perf_counter()

    def stop(module: nn.Module, _inputs: Any, _output: Any) -> None:
        spent[id(module)] += time.perf_counter() - started[id(module)]

    hooks = []
    for module in {id(module): module for module in modules}.values():
        hooks += [module.register_forward_pre_hook(start), module.register_forward_hook(stop)]
    try:
        with torch.inference_mode():
            began = time.perf_counter()
            network(*inputs)
            spent[0] = time.perf_counter() - began
    finally:
        for hook in hooks:
            hook.remove()
    return spent
