"""Results are the caller's to keep and to write to: what still lies in the network's own memory is copied."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from b2nn.packed.program import Program, TorchStep


def address(tensor: Tensor) -> int:
    """Where a tensor's memory begins, whatever part of it the tensor sees; 0 where it has none of its own."""
    return tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else 0


def memory_of(nested: Any) -> set[int]:
    """The addresses of all tensors in nested values."""
    return {address(leaf) for leaf in tree_leaves(nested) if isinstance(leaf, Tensor)}


def constants(program: Program) -> set[int]:
    """The addresses of all tensors that a program may return without a copy: those that torch sees."""
    functions = [step for step in program.steps if isinstance(step, TorchStep)]
    held = [(step.args, step.kwargs) for step in functions]
    modules = (step.function for step in functions if isinstance(step.function, nn.Module))
    return memory_of((program.output, held, [_state(module) for module in modules]))


def callers(result: Any, own: Collection[int]) -> Any:
    """The result with tensors copied whose memory is at one of these addresses."""
    copies: dict[int, Tensor] = {}  # what is returned twice stays one tensor

    def copied(item: Any) -> Any:  # torch's own tree_map takes 40 microseconds
        if isinstance(item, Tensor):
            if id(item) not in copies:
                copies[id(item)] = item.clone() if address(item) in own else item
            return copies[id(item)]
        if isinstance(item, tuple) and hasattr(item, "_fields"):
            return type(item)(*map(copied, item))
        if isinstance(item, tuple | list) and not isinstance(item, torch.Size):
            return type(item)([copied(part) for part in item])
        return {key: copied(part) for key, part in item.items()} if isinstance(item, dict) else item

    return copied(result)


def _state(module: nn.Module) -> Iterable[Tensor]:
    return [*module.parameters(), *module.buffers()]
