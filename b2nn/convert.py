"""Make the units that a plan names binary, and what training such a network needs besides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from b2nn.cost import CostTable
from b2nn.errors import B2nnError, UnsupportedModule
from b2nn.gated import GatedUnit
from b2nn.layers import BinaryUnit, binary_form
from b2nn.mixed import forms
from b2nn.parts import by_layer, check_parts
from b2nn.plan import BinarizationPlan, check_names, validate
from b2nn.recipe import DEFAULT, Recipe
from b2nn.units import Unit, find_units, replace_module


def binarize(model: nn.Module, plan: BinarizationPlan, table: CostTable | None = None,
             recipe: Recipe = DEFAULT) -> nn.Module:
    """Replace exactly the plan's binary units, in place and under all their names, and return the model.

    The binary layers go on using the weights and biases they find, the same `Parameter` objects. A layer that is binary
    in part becomes a `MixedUnit`, which has new ones: make optimizers afterwards. Nothing is touched before all checks
    have passed.

    Args:
        table: cost of this model; with it the plan is validated in full, without it only the names are.
        recipe: how the binary layers compute.

    Raises:
        PlanError: the plan was made for another network.
        UnsupportedModule: a unit that has no binary form.
    """
    if table is not None:
        validate(plan, table)
    named, binary = by_layer(plan.names), by_layer(plan.binary)
    replacements: list[tuple[nn.Module, nn.Module]] = []
    for unit in named_units(model, binary):
        check_parts(named[unit.name], unit.channels, unit.block)
        bits = torch.zeros(unit.channels, dtype=torch.bool)
        for part in binary[unit.name]:
            bits[part.rows] = True
        layers = [(module, binary_form(module, recipe)) for module in unit.modules]
        replacements += zip(unit.modules, forms(layers, bits), strict=True)
    for module, form in replacements:
        replace_module(model, module, form)
    return model


def named_units(model: nn.Module, names: Iterable[str]) -> list[Unit]:
    """The whole units of `model` called `names`, all of which have a binary form.

    Raises:
        PlanError: names that the model lacks.
        UnsupportedModule: a unit that has no binary form.
    """
    units = {unit.name: unit for unit in find_units(model)}
    wanted = list(names)
    check_names(wanted, units)
    for name in wanted:
        reason = units[name].refusal or ("it is the whole model; wrap it" if name == "" else "")
        if reason:
            raise UnsupportedModule(f"layer {name!r} cannot be made binary: {reason}")
    return [units[name] for name in wanted]


def latent_weights(model: nn.Module) -> list[nn.Parameter]:
    """The weights of all binary layers, each once.

    Give them no weight decay: it pulls a latent weight towards zero, where its sign flips by chance. Weights inside
    gated units are left out, since the full-precision branch uses them too.
    """
    weights = {id(layer.weight): layer.weight for layer in _binary_layers(model)}
    return list(weights.values())  # type: ignore[arg-type]


@torch.no_grad()
def clip_latent_(model: nn.Module, bound: float = 1.0) -> None:
    """Clip the latent weights to [-bound, bound], in place; beyond 1 the sign passes no gradient on."""
    for weight in latent_weights(model):
        weight.clamp_(-bound, bound)


def set_progress(model: nn.Module, progress: float) -> None:
    """Tell all binary layers, those inside gated units too, which share of training is done, from 0 to 1.

    The estimator ``ede`` and two-step training (`Recipe.real_weights`) go by it. Set it before every iteration, and to
    1 in the end: only then are the weights surely binary. Layers that nobody tells are at 1.
    """
    for module in model.modules():
        if isinstance(module, BinaryUnit):
            module.progress = progress


def reestimate_batchnorm(model: nn.Module, batches: Iterable[Any],
                         forward: Callable[[Any], Any] | None = None) -> None:
    """Replace the running statistics of every BatchNorm by plain averages over the batches.

    Averages that moved along with training describe weights that are gone, and those of a binary network jump
    when signs flip. Everything but the BatchNorms is in evaluation mode meanwhile.

    Args:
        forward: called with each batch; the model itself by default.

    Raises:
        B2nnError: there are no batches.
    """
    norms = [norm for norm in model.modules() if isinstance(norm, _BatchNorm) and norm.track_running_stats]
    modes = [(module, module.training) for module in model.modules()]
    momenta = [norm.momentum for norm in norms]
    seen = 0
    try:
        model.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a cumulative average
            norm.training = True
        with torch.no_grad():
            for batch in batches:
                (forward or model)(batch)
                seen += 1
    finally:
        for module, training in modes:
            module.training = training
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    if not seen:
        raise B2nnError("no batches to estimate BatchNorm statistics from; give at least one")


def _binary_layers(module: nn.Module) -> Iterator[BinaryUnit]:
    if isinstance(module, BinaryUnit):
        yield module
    elif not isinstance(module, GatedUnit):
        for child in module.children():
            yield from _binary_layers(child)
