"""Hessian: what binary weights cost by the curvature of the loss; an exact knapsack over that.

A unit's score is that of HAWQ-V2 (arXiv 1911.03852): mean trace of the Hessian of the loss with respect to
the unit's weights, times the squared quantization error, ‖w - α sign(w)‖² with α the mean |w| of each output
channel. Half of it estimates how much the loss rises. It looks at weights only: what the sign does to the
unit's *input* it does not see.

The trace is Hutchinson's estimate, the mean of v·Hv over probes v of random signs. One probe covers all units at
once, because the cross terms between units have mean zero. The network is in evaluation mode.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from b2nn.checks import require
from b2nn.convert import named_units
from b2nn.parts import by_layer, parse
from b2nn.quantizers import weight_sign
from b2nn.search import knapsack
from b2nn.search.ledger import Key, Work
from b2nn.search.problem import Problem, repeated
from b2nn.search.run import Result, Run


@dataclass(frozen=True)
class Options:
    """How the trace is estimated.

    Attributes:
        probes: random vectors; probe k looks at training batch k, from the first again after the last.
    """

    probes: int = 16

    def __post_init__(self) -> None:
        require(self, "at least 1", probes=self.probes >= 1)


def search(problem: Problem, budget: float, seed: int = 0, options: Options | None = None,
           state: Path | None = None) -> Result:
    """The plan that keeps the greatest total score; trace: ``scores``, ``traces`` (mean trace) and ``errors``
    (squared quantization error), each by unit."""
    options = options or Options()
    run = Run(problem, "hessian", budget, seed, options, state)
    keys: list[Key] = [(f"probe {index}",) for index in range(options.probes)]
    numbers = {key: index for index, key in enumerate(keys)}
    batches = list(islice(repeated(problem.batches), options.probes))
    probed = run.ledger.values(keys, lambda key: _probe(problem, batches[numbers[key]], run.names, numbers[key], seed))
    weights = _by_unit(run.names, _weights(problem.model, run.names))
    traces = {name: sum(sums) / len(sums) / weights[name].numel()
              for name, sums in zip(run.names, zip(*probed, strict=True), strict=True)}
    errors = {name: quantization_error(weight) for name, weight in weights.items()}
    scores = {name: traces[name] * errors[name] for name in run.names}
    return run.finish(knapsack.choose(problem.table, budget, scores), scores=scores, traces=traces, errors=errors)


@torch.no_grad()
def quantization_error(weight: Tensor) -> float:
    """‖w - α sign(w)‖², α the mean |w| of each output channel.

    Args:
        weight: (out, ...).
    """
    rows = weight.detach().flatten(1)
    return float((rows - rows.abs().mean(1, keepdim=True) * weight_sign(rows)).square().sum())


def _probe(problem: Problem, batch: Any, names: Sequence[str], index: int, seed: int) -> Work:
    """v·Hv of each unit for one random v and one batch."""
    model = copy.deepcopy(problem.model).eval().requires_grad_(False)
    layers = _weights(model, names)
    weights = [weight.requires_grad_(True) for weight in layers.values()]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        loss = problem.loss(model, batch)
        gradients = torch.autograd.grad(loss, weights, create_graph=True)
    generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
    signs = [torch.randint(2, weight.shape, generator=generator).to(weight) * 2 - 1 for weight in weights]
    products = torch.autograd.grad(gradients, weights, grad_outputs=signs, materialize_grads=True)
    terms = {layer: sign * product for layer, sign, product in zip(layers, signs, products, strict=True)}
    return Work([float(term.sum()) for term in _by_unit(names, terms).values()], 1, 2)


def _weights(model: nn.Module, names: Sequence[str]) -> dict[str, Tensor]:
    """The weights of the layers to which the units `names` belong, by layer."""
    return {unit.name: unit.weight for unit in named_units(model, by_layer(names))}


def _by_unit(names: Sequence[str], layers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The rows of each of the units `names` in tensors given by layer."""
    return {name: layers[parse(name).layer][parse(name).rows] for name in names}
