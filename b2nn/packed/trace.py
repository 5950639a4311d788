"""A model's method as a torch.fx graph whose nodes are the layers that a program knows, and torch functions."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from b2nn.activations import BinReLU, RPReLU
from b2nn.errors import B2nnError, UnsupportedModule
from b2nn.gated import GatedUnit
from b2nn.layers import BinaryUnit
from b2nn.mixed import MixedUnit
from b2nn.packed.inplace import OPERATORS, out_of_place

# These very types, parametrized or not: a subclass may compute something else, and is followed.
LAYERS = {nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm, nn.MaxPool2d, nn.AvgPool2d,
          nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.ReLU, nn.ReLU6, nn.PReLU,
          nn.LeakyReLU, nn.Hardswish, BinReLU, RPReLU}
_OTHERS = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]))  # whose code is not the user's


def trace(model: nn.Module, method: str) -> fx.Graph:
    """The graph of `model.method(...)`, without operations in place. The model must be in evaluation mode.

    A module that torch.fx cannot follow is one node. Arguments that have defaults keep them.

    Raises:
        UnsupportedModule: a unit that is still being searched for, hooks, buffers that change with every call,
            operations in place that others see, or the method itself cannot be followed.
    """
    for name, module in model.named_modules():
        if isinstance(module, GatedUnit):
            raise UnsupportedModule(f"layer {name!r} has gates; round them to a plan before packing")
        if module._forward_hooks or module._forward_pre_hooks:
            raise UnsupportedModule(
                f"module {name!r} ({type(module).__name__}) has forward hooks, which a packed network does not call; "
                "remove them first (weight norms and pruning: remove_weight_norm, remove_spectral_norm, prune.remove)")
    if not callable(getattr(type(model), method, None)):
        raise B2nnError(f"{type(model).__name__} has no method {method!r} to pack")
    tracer = _Tracer(method)
    try:
        with _unchanged_buffers(model, method):
            graph = tracer.trace(model)
    except B2nnError:
        raise
    except Exception as error:  # the user's code, with proxies where it expects tensors and numbers
        line = next(iter(str(error).splitlines()), "")
        raise UnsupportedModule(f"{type(model).__name__}.{method} cannot be traced: {line}{_place(error)}; put what "
                                "depends on values into a module of its own, without binary layers") from error
    out_of_place(model, graph)
    for node in reversed(graph.nodes):
        if not node.users and node.op not in ("placeholder", "output"):
            graph.erase_node(node)
    return graph


class _Proxy(fx.Proxy):
    """Also records `x += y` as what it is."""


def _recorded(operator: Callable[..., Any]) -> Callable[[fx.Proxy, Any], fx.Proxy]:
    return lambda self, other: self.tracer.create_proxy("call_function", operator, (self, other), {})


for _operator in OPERATORS:
    setattr(_Proxy, f"__{_operator.__name__}__", _recorded(_operator))


class _Tracer(fx.Tracer):
    def __init__(self, method: str) -> None:
        super().__init__()
        self.traced_func_name = method

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Proxy(node, self)

    def create_args_for_root(self, root_fn: Callable[..., Any], is_module: bool,
                             concrete_args: Any = None) -> tuple[Callable[..., Any], list[Any]]:
        """Placeholders for the arguments without a default; the others are left out of the call."""
        _, *parameters = inspect.signature(root_fn).parameters.values()
        wanted = [parameter for parameter in parameters if parameter.default is parameter.empty
                  and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)]
        by_name = [parameter.name for parameter in wanted if parameter.kind == parameter.KEYWORD_ONLY]

        def call(*args: Any) -> Any:
            cut = len(args) - len(by_name)
            return root_fn(*args[:cut], **dict(zip(by_name, args[cut:], strict=True)))

        return call, [self.root, *(self.create_proxy("placeholder", parameter.name, (), {}) for parameter in wanted)]

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type_before_parametrizations(m) in LAYERS or isinstance(m, BinaryUnit | MixedUnit)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        last = next(reversed(self.graph.nodes), None)
        try:
            return super().call_module(m, forward, args, kwargs)
        except B2nnError:
            raise
        except Exception:  # whatever the module's own code makes of a proxy
            if any(isinstance(module, BinaryUnit) for module in m.modules()):
                raise
            while (node := next(reversed(self.graph.nodes), None)) is not last and node is not None:
                self.graph.erase_node(node)
            return self.create_proxy("call_module", self.path_of_module(m), args, kwargs)


@contextmanager
def _unchanged_buffers(model: nn.Module, method: str) -> Iterator[None]:
    """Put buffers back that the traced code wrote to, and refuse it: a packed network has none of them."""
    before = [(name, buffer, buffer._version, buffer.detach().clone()) for name, buffer in model.named_buffers()
              if not buffer.is_inference()]
    try:
        yield
    finally:
        changed = [name for name, buffer, version, value in before if buffer._version != version]
        with torch.no_grad():
            for name, buffer, _, value in before:
                if name in changed:
                    buffer.copy_(value)
    if changed:
        raise UnsupportedModule(f"{type(model).__name__}.{method} changes its buffer {changed[0]!r} with every call, "
                                "which a packed network cannot; leave that out in evaluation mode")


def _place(error: Exception) -> str:
    """Where in the user's code an error came up."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_OTHERS)]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
