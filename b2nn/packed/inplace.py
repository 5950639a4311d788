"""Operations in place as ones that return a new value, which those read who would have seen the change.

A change that would show through another name of the same memory, as a slice is one, is refused.
"""

from __future__ import annotations

import inspect
import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from b2nn.errors import UnsupportedModule
from b2nn.packed import functions

OPERATORS = {operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul,
             operator.itruediv: operator.truediv, operator.ifloordiv: operator.floordiv, operator.imod: operator.mod,
             operator.ipow: operator.pow, operator.iand: operator.and_, operator.ior: operator.or_,
             operator.imatmul: operator.matmul}
# Of torch's functions those that may return their argument itself or a view of it, which their schema does not tell;
# and those that never do, though they have no schema.
_VIEWS = {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
          "feature_dropout", "type_as", "sum_to_size", "meshgrid", "broadcast_tensors", "einsum", "atleast_1d",
          "atleast_2d", "atleast_3d", "getitem", "pos"}
_NEW = {"interpolate", "upsample", "normalize"}
_VIEW_ATTRIBUTES = {"T", "mT", "H", "mH", "data", "real", "imag"}
_NUMBERS = {"size", "dim", "ndim", "shape", "numel", "nelement", "stride", "dtype", "device", "item"}
_RANDOM = {"bernoulli_"}  # another thing than what is called so without the underscore


def out_of_place(model: nn.Module, graph: fx.Graph) -> None:
    """Rewrite a graph.

    Raises:
        UnsupportedModule: the change would show elsewhere too, or the operation has no other form.
    """
    order = {node: number for number, node in enumerate(graph.nodes)}
    alias: dict[fx.Node, set[fx.Node]] = {}  # nodes of the same memory, one set for all of them
    for node in graph.nodes:
        changed = _rewritten(model, node)
        if changed is not None and not _is_number(changed):
            if others := [other for other in alias[changed] if other is not changed and (
                    other.op == "get_attr" or any(order[user] > order[node] for user in other.users))]:
                raise UnsupportedModule(f"{_named(node)} changes {changed.name!r} in place, which shows in "
                                        f"{others[0].name!r} too; write it so that it returns a new value")
            if changed.op == "get_attr":
                raise UnsupportedModule(f"{_named(node)} changes {changed.target!r} with every call; a packed network "
                                        "keeps nothing between calls")
        if changed is not None:
            later = {user for user in changed.users if order[user] > order[node]}
            changed.replace_all_uses_with(node, delete_user_cb=later.__contains__)
        alias[node] = {node}
        if changed is None and _may_be_view(model, node):
            for source in node.all_input_nodes:
                alias[node] |= alias[source]
            for member in alias[node]:
                alias[member] = alias[node]


def _rewritten(model: nn.Module, node: fx.Node) -> fx.Node | None:
    """The value that a node changes, None for most; the node itself is changed to return it anew."""
    if node.op == "call_module":
        inplace = bool(getattr(model.get_submodule(str(node.target)), "inplace", False))
        return _first(node) if inplace else None
    if node.op == "call_method":
        name = str(node.target)
        if not name.endswith("_") or name.endswith("__"):
            return None
        if name in _RANDOM or f"method.{name[:-1]}" not in functions.names():
            raise UnsupportedModule(f"{_named(node)} works in place and has no form that returns a new value")
        node.target = name[:-1]
        return _first(node)
    return _rewritten_function(node) if node.op == "call_function" else None


def _rewritten_function(node: fx.Node) -> fx.Node | None:
    target: Any = node.target
    if node.kwargs.get("out") is not None:
        raise UnsupportedModule(f"{_named(node)} writes into its argument `out`; use what it returns")
    if target in OPERATORS:
        node.target = OPERATORS[target]
        return _first(node)
    name = getattr(target, "__name__", "")
    if name.endswith("_") and not name.endswith("__") and getattr(operator, name, None) is not target:
        found = getattr(F, name[:-1], None) or getattr(torch, name[:-1], None)
        if found is None:
            raise UnsupportedModule(f"{_named(node)} works in place and has no form that returns a new value")
        node.target = found
        return _first(node)
    if getattr(F, name, None) is target and _asks_for_inplace(node):
        return _first(node)
    return None


def _asks_for_inplace(node: fx.Node) -> bool:
    """Whether a function of torch.nn.functional is called with `inplace`, which is taken out of the call."""
    try:
        bound = inspect.signature(node.target).bind(*node.args, **node.kwargs)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    if "inplace" not in bound.arguments:
        return False
    inplace = bound.arguments.pop("inplace")
    node.args, node.kwargs = bound.args, bound.kwargs
    return bool(inplace)


def _may_be_view(model: nn.Module, node: fx.Node) -> bool:
    """Whether a node's value may lie in the memory of what it reads."""
    if node.op == "call_module":
        layer = model.get_submodule(str(node.target))
        return not isinstance(layer, nn.Conv2d | nn.Linear | nn.MaxPool2d | nn.AvgPool2d
                              | nn.modules.batchnorm._BatchNorm) and not _is_activation(layer)
    if node.op not in ("call_function", "call_method"):
        return False
    if node.target is getattr:
        return node.args[1] in _VIEW_ATTRIBUTES
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if name in _NEW or name in _NUMBERS:
        return False
    if name in _VIEWS:
        return True
    if node.op == "call_function" and getattr(operator, name, None) is node.target:
        return False
    packet = getattr(torch.ops.aten, name, None)
    if packet is None:
        return True
    schemas = [getattr(packet, overload)._schema for overload in packet.overloads()]
    infos = [value.alias_info for schema in schemas for value in schema.returns]
    return any(info is not None and not info.is_write for info in infos)


def _is_activation(layer: nn.Module) -> bool:
    return type(layer).__module__ in ("torch.nn.modules.activation", "b2nn.activations")


def _is_number(node: fx.Node) -> bool:
    """Whether a value is a size or made of sizes: no memory that others could see."""
    if node.target is getattr:
        return node.args[1] in _NUMBERS
    if node.op == "call_method" and node.target in _NUMBERS:
        return True
    computed = getattr(operator, getattr(node.target, "__name__", ""), None) is node.target
    return computed and bool(node.all_input_nodes) and all(map(_is_number, node.all_input_nodes))


def _first(node: fx.Node) -> fx.Node | None:
    first = node.args[0] if node.args else next(iter(node.kwargs.values()), None)
    return first if isinstance(first, fx.Node) else None


def _named(node: fx.Node) -> str:
    """A call as its writer knows it."""
    if node.op == "call_method":
        return f"Tensor.{node.target}"
    return str(node.target) if node.op == "call_module" else str(getattr(node.target, "__name__", node.target))
