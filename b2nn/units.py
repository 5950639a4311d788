"""The units of a model: the conv and linear modules that a plan may make binary, one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.parallel import DistributedDataParallel

KINDS: tuple[tuple[type[nn.Module], str], ...] = ((_ConvNd, "conv"), (nn.Linear, "linear"))


@dataclass(frozen=True, eq=False)
class Unit:
    """The smallest thing a plan decides about: one weight, and every module that uses it.

    Attributes:
        names: qualified names of the modules, in the order of `named_modules`; the first is the unit's name.
        modules: the distinct modules behind the names.
        kind: ``conv`` or ``linear``.
        refusal: why b2nn cannot make this unit binary; empty if it can.
    """

    names: tuple[str, ...]
    modules: tuple[nn.Module, ...]
    kind: str
    refusal: str

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def weight(self) -> nn.Parameter:
        return self.modules[0].weight  # type: ignore[return-value]

    @property
    def channels(self) -> int:
        """Output channels, one a row of the weight."""
        return len(self.weight)

    @property
    def block(self) -> int:
        """Consecutive output channels that no part may separate: of a conv's group, which has inputs of its own."""
        groups = [getattr(module, "groups", 1) for module in self.modules]
        return math.lcm(*(self.channels // count for count in groups if count > 1))


def find_units(model: nn.Module) -> list[Unit]:
    """All units of `model`, whether they are run or not. Modules that share their weight are one unit."""
    named: dict[int, dict[str, nn.Module]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if kind_of(module):
            # A parametrized weight is computed anew at every access, so its module stands for it.
            weight = module._parameters.get("weight")
            named.setdefault(id(module if weight is None else weight), {})[name] = module
    owners = _weight_owners(model)
    registered = {id(inside) for module in model.modules() if isinstance(module, DistributedDataParallel)
                  for inside in module.modules()}
    units = []
    for modules in named.values():
        distinct = tuple({id(module): module for module in modules.values()}.values())
        reasons = [refusal(module) for module in distinct]
        if any(id(module) in registered for module in distinct):
            reasons.append("is inside DistributedDataParallel, which would not synchronize the parameters that bits "
                           "add; binarize first, then wrap")
        foreign = sorted(owners.get(id(distinct[0]._parameters.get("weight")), set()) - set(modules))
        if foreign:
            reasons.append(f"shares its weight with {foreign[0]}")
        units.append(Unit(tuple(modules), distinct, kind_of(distinct[0]), next(filter(None, reasons), "")))
    return units


def kind_of(module: nn.Module) -> str:
    """``conv``, ``linear``, or an empty string for a module that is no unit."""
    return next((kind for base, kind in KINDS if isinstance(module, base)), "")


def refusal(module: nn.Module) -> str:
    """Why b2nn cannot make this conv or linear module binary; empty if it can."""
    if type(module) not in (nn.Conv2d, nn.Linear):
        return f"{type(module).__name__} has no binary form"
    if module._parameters.get("weight") is None:
        return "its weight is computed from other parameters"
    if module._forward_hooks or module._forward_pre_hooks:
        return "carries forward hooks, which a replaced module would lose"
    if isinstance(module, nn.Conv2d):
        if module.padding_mode != "zeros":
            return f"pads with {module.padding_mode!r}, not with zeros"
        if 1 == module.in_channels // module.groups < module.in_channels:
            return "depthwise: nothing to pack into words, so bits gain nothing"
    return ""


def _weight_owners(model: nn.Module) -> dict[int, set[str]]:
    """Qualified names of the modules that hold each parameter, by the parameter's id."""
    owners: dict[int, set[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        owners.setdefault(id(parameter), set()).add(name.rpartition(".")[0])
    return owners


def replace_module(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put `new` wherever `model` holds `old`, under all its names."""
    names = [name for name, module in model.named_modules(remove_duplicate=False) if module is old]
    for name in names:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, new)
