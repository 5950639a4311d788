"""A model's method as a torch.fx graph whose nodes are the layers that a program knows, and torch functions."""

from __future__ import annotations

import operator
from typing import Any

import torch.nn.functional as F
from torch import fx, nn

from b2nn.activations import BinReLU, RPReLU
from b2nn.errors import B2nnError, UnsupportedModule
from b2nn.gated import GatedUnit
from b2nn.layers import BinaryUnit
from b2nn.mixed import MixedUnit

# These very types: a subclass may compute something else, and is followed.
LAYERS = {nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm, nn.MaxPool2d, nn.AvgPool2d,
          nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.ReLU, nn.ReLU6, nn.PReLU,
          nn.LeakyReLU, nn.Hardswish, BinReLU, RPReLU}
_OUT_OF_PLACE = {operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul,
                 operator.itruediv: operator.truediv, "relu_": "relu", "add_": "add", "mul_": "mul", "clamp_": "clamp"}


def trace(model: nn.Module, method: str) -> fx.Graph:
    """The graph of `model.method(...)` in evaluation mode, without operations in place.

    A module that torch.fx cannot follow is one node.

    Raises:
        UnsupportedModule: a unit that is still being searched for, or the method itself cannot be followed.
    """
    for name, module in model.named_modules():
        if isinstance(module, GatedUnit):
            raise UnsupportedModule(f"layer {name!r} has gates; round them to a plan before packing")
    tracer = _Tracer(method)
    if not callable(getattr(type(model), method, None)):
        raise B2nnError(f"{type(model).__name__} has no method {method!r} to pack")
    try:
        graph = tracer.trace(model)
    except fx.proxy.TraceError as error:
        raise UnsupportedModule(f"{type(model).__name__}.{method} cannot be traced: {str(error).splitlines()[0]}; "
                                "put what depends on values into a module of its own") from error
    _out_of_place(model, graph)
    for node in reversed(graph.nodes):
        if not node.users and node.op not in ("placeholder", "output"):
            graph.erase_node(node)
    return graph


class _Tracer(fx.Tracer):
    def __init__(self, method: str) -> None:
        super().__init__()
        self.traced_func_name = method

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in LAYERS or isinstance(m, BinaryUnit | MixedUnit)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        last = next(reversed(self.graph.nodes), None)
        try:
            return super().call_module(m, forward, args, kwargs)
        except (fx.proxy.TraceError, TypeError):  # TypeError: a proxy where Python wants a number
            if any(isinstance(module, BinaryUnit) for module in m.modules()):
                raise
            while (node := next(reversed(self.graph.nodes), None)) is not last and node is not None:
                self.graph.erase_node(node)
            return self.create_proxy("call_module", self.path_of_module(m), args, kwargs)


def _out_of_place(model: nn.Module, graph: fx.Graph) -> None:
    """Replace what works in place: who reads the old value afterwards reads the new one instead."""
    order = {node: number for number, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        inplace = False
        if node.op == "call_module":
            inplace = bool(getattr(model.get_submodule(node.target), "inplace", False))
        elif node.op in ("call_function", "call_method"):
            inplace = bool(node.kwargs.get("inplace")) or node.target in _OUT_OF_PLACE
            node.target = _OUT_OF_PLACE.get(node.target, node.target)
            if "inplace" in node.kwargs:
                node.kwargs = {key: value for key, value in node.kwargs.items() if key != "inplace"}
            if node.target is F.relu_:
                node.target, inplace = F.relu, True
        if inplace and node.args and isinstance(node.args[0], fx.Node):
            later = {user for user in node.args[0].users if order[user] > order[node]}
            node.args[0].replace_all_uses_with(node, delete_user_cb=later.__contains__)
