"""Structured pruning to a FLOPs budget: the rival of a partly binary network at the same counted cost.

Whole channels go, in every tensor that holds them, so the pruned network is an ordinary smaller one. A
channel's importance is the sum of |γ| over the BatchNorms that scale it (network slimming, Liu et al., ICCV
2017, arXiv 1708.06519) or, where there is none, of the weights |w| that make it (Li et al., ICLR 2017, arXiv
1608.08710), divided by the mean of its group, so that all layers compete in one ranking.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn

from b2nn.channels import ChannelGroup, channel_groups, named_tensors
from b2nn.cost import profile
from b2nn.errors import BudgetError
from b2nn.pruning_plan import PrunedGroup, PruningPlan, apply, load_pruning_plan, shrink, tensor_hash

__all__ = ["ChannelGroup", "PrunedGroup", "PruningPlan", "apply", "channel_groups", "importance",
           "load_pruning_plan", "prune"]

Channel = tuple[int, int]  # index of the group, channel in it


def prune(model: nn.Module, *inputs: Any, budget: float, forward: Callable[..., Any] | None = None,
          keep: Sequence[str] = (), min_channels: int = 4, min_share: float = 0.1) -> PruningPlan:
    """Remove the least important channels of `model`, in place, until its FLOPs meet the budget.

    The FLOPs are those of `b2nn.cost` on the network that is really smaller. No channel that went could be
    put back within the budget.

    Args:
        model: a trained network; the channels left keep their weights.
        inputs: arguments of the run, batch 1; none of their channels are removed.
        budget: FLOPs of the pruned network over those of the whole, in (0, 1].
        forward: called with `inputs`; the model itself by default. It must run on `model` itself.
        keep: fnmatch patterns of qualified module names whose output channels stay.
        min_channels, min_share: no group is left with fewer channels or with a smaller share of them.

    Raises:
        BudgetError: the budget is outside (0, 1] or below what these limits allow; the model is left as it
            was.
        B2nnError: a pattern of `keep` matches no module.
    """
    if not 0 < budget <= 1:
        raise BudgetError(f"budget {budget} is not in (0, 1]; it is a share of the full-precision FLOPs")
    groups = channel_groups(model, *inputs, forward=forward, keep=keep)
    whole = profile(model, *inputs, forward=forward).total
    order = _removal_order(model, groups, min_channels, min_share)

    def ratio(removed: Sequence[Channel]) -> float:
        with _restored(model):
            shrink(model, _without(groups, removed))
            return profile(model, *inputs, forward=forward).total / whole

    smallest = ratio(order)
    if smallest > budget:
        raise BudgetError(f"budget {budget} cannot be met by pruning: with {min_channels} channels or "
                          f"{min_share:.0%} left in each layer the ratio is still "
                          f"{ceil(smallest * 1e4) / 1e4}; ask for at least that")
    # More removals never cost more, so bisection finds the smallest number of them that meets the budget.
    count = bisect_left(range(len(order)), True, key=lambda removals: ratio(order[:removals]) <= budget)
    removed = _put_back(order[:count], lambda removed: ratio(removed) <= budget)
    plan = PruningPlan(tensor_hash(model), _without(groups, removed), budget, ratio(removed))
    apply(model, plan)
    return plan


def importance(model: nn.Module, group: ChannelGroup) -> Tensor:
    """(size,) float64 on the CPU: Σ|γ|, or Σ|w| where there is no BatchNorm, over the group's mean."""
    tensors = named_tensors(model)
    scales = [slot for slot in group.slots if slot.role == "scale"]
    total = torch.zeros(group.size, dtype=torch.float64)
    for slot in scales or [slot for slot in group.slots if slot.role == "weight"]:
        magnitude = tensors[slot.tensor].detach().cpu().double().abs().movedim(slot.dim, 0)
        total += magnitude.reshape(slot.repeats, group.size, -1).sum((0, 2))
    return total / total.mean().clamp_min(torch.finfo(torch.float64).tiny)


def _removal_order(model: nn.Module, groups: Sequence[ChannelGroup], min_channels: int,
                   min_share: float) -> list[Channel]:
    """The channels that may go, least important first, down to the least that each group keeps.

    Among equals (all γ are 1 before training) the group that has lost the smallest share is next.
    """
    ranked = []
    for index, group in enumerate(groups):
        scores = importance(model, group).tolist()
        ascending = sorted(range(group.size), key=scores.__getitem__)
        spare = max(0, group.size - max(1, min_channels, ceil(min_share * group.size)))
        ranked += [(scores[channel], place / group.size, index, channel)
                   for place, channel in enumerate(ascending[:spare])]
    return [(index, channel) for _, _, index, channel in sorted(ranked)]


def _put_back(removed: list[Channel], fits: Callable[[list[Channel]], bool]) -> list[Channel]:
    """The removals that are left once the most important ones that still fit the budget are undone."""
    full: set[int] = set()  # all channels of a group cost the same
    for channel in reversed(removed.copy()):
        if channel[0] not in full:
            fewer = [other for other in removed if other != channel]
            if fits(fewer):
                removed = fewer
            else:
                full.add(channel[0])
    return removed


def _without(groups: Sequence[ChannelGroup], removed: Sequence[Channel]) -> tuple[PrunedGroup, ...]:
    gone: dict[int, set[int]] = {}
    for index, channel in removed:
        gone.setdefault(index, set()).add(channel)
    return tuple(PrunedGroup(group.name, group.size, group.slots,
                             tuple(channel for channel in range(group.size) if channel not in gone[index]))
                 for index, group in enumerate(groups) if index in gone)


@contextmanager
def _restored(model: nn.Module) -> Iterator[None]:
    """Tensors and sizes of the model are on leaving what they were on entering; no data is copied."""
    tensors = [(tensor, tensor.data, tensor.grad) for tensor in named_tensors(model).values()]
    sizes = [(module, {key: value for key, value in vars(module).items() if isinstance(value, int)})
             for module in model.modules()]
    try:
        yield
    finally:
        for tensor, data, grad in tensors:
            tensor.data, tensor.grad = data, grad
        for module, noted in sizes:
            vars(module).update(noted)
