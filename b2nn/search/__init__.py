"""Strategies that choose which units stay in full precision, by name and behind one interface.

    plan, trace = strategy("sensitivity")(Problem(model, table, loss, batches, held_out), budget=0.3, seed=0)

Every strategy is a module of this package with a function

    search(problem, budget, seed=0, options=None, state=None) -> (BinarizationPlan, trace)

and a dataclass `Options`. The plan is within the budget and leaves no affordable unit binary; the same seed
gives the same plan; the problem's model stays as it is. `state` names a file from which a killed search goes on;
all strategies but MixBin take up from it what was worked out at another budget, which changes no plan.
The trace is JSON-ready and holds ``forward_passes``, ``backward_passes``, ``seconds``, of these strategies under
``reused`` the same of what was taken up, and what the strategy decided by. With `torch.distributed` candidates are
dealt to all processes, and all return the same plan.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from b2nn.errors import B2nnError

STRATEGIES = ("mixbin", "iterative", "evolution", "exhaustive", "sensitivity", "hessian", "uniform", "random")


def strategy(name: str) -> Any:
    """The `search` function of the strategy called `name`; `B2nnError` for one that is not in `STRATEGIES`."""
    return _module(name).search


def options_of(name: str) -> Any:
    """The dataclass of the options of the strategy called `name`; `B2nnError` for one that is not in `STRATEGIES`."""
    return _module(name).Options


def _module(name: str) -> Any:
    if name not in STRATEGIES:
        raise B2nnError(f"strategy {name!r} is unknown; choose one of {', '.join(STRATEGIES)}")
    return import_module(f"b2nn.search.{name}")
