"""One traced run of a model: the work of each unit, of everything else, and which norm follows a unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from b2nn.units import Unit

# Pointwise by torch's own tag, but a copy is no arithmetic.
_COPIES = {"clone", "copy_"}
_REDUCTIONS = {"mean", "sum", "max", "min", "amax", "amin", "argmax", "argmin", "prod", "linalg_vector_norm",
               "_adaptive_avg_pool2d", "_adaptive_avg_pool3d"}


@dataclass
class Trace:
    """What one run did.

    Attributes:
        macs: multiply-accumulates of each unit that ran, by unit name, in order of first execution.
        norms: the BatchNorm that alone consumes the unit's output, by unit name; absent where there is none.
        other_flops: FLOPs of everything that no unit did.
    """

    macs: dict[str, int] = field(default_factory=dict)
    norms: dict[str, str] = field(default_factory=dict)
    other_flops: int = 0


def trace(model: nn.Module, units: Sequence[Unit], forward: Callable[[], Any]) -> Trace:
    """Call `forward()` once, in evaluation mode and without gradients; report what the units did."""
    tracer = _Tracer()
    with evaluating(model), tracer.hooked(model, units), torch.no_grad(), tracer:
        output = forward()
    return tracer.result(output)


def op_flops(func: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """FLOPs of one aten call.

    Convs and matrix products as `torch.utils.flop_counter` counts them (2 a MAC), normalisation 2 an element,
    pooling its window an output element, reductions 1 an input element, bilinear resizing 8 and softmax 3 an
    element, other arithmetic 1 an output element. Moving data is free.
    """
    packet = func._overloadpacket
    if packet in flop_registry:
        return int(flop_registry[packet](*args, **kwargs, out_val=out))
    name = packet.__name__
    first = out[0] if isinstance(out, tuple | list) and out else out
    if not isinstance(first, Tensor):
        return 0
    if "batch_norm" in name or name in ("native_layer_norm", "native_group_norm"):
        return 2 * first.numel()
    if "max_pool" in name or name.startswith("avg_pool"):
        return first.numel() * _window(args[1], 3 if "3d" in name else 2 if "2d" in name else 1)
    if name in _REDUCTIONS:
        return int(args[0].numel())
    if name in ("_softmax", "_log_softmax"):
        return 3 * first.numel()
    if name.startswith("upsample_bilinear"):
        return 8 * first.numel()
    if name == "_prelu_kernel" or (torch.Tag.pointwise in func.tags and name not in _COPIES):
        return first.numel()
    return 0


def _window(kernel: Sequence[int], dims: int) -> int:
    """Elements of a pooling window; aten accepts one number for all dimensions."""
    size = 1
    for extent in kernel if len(kernel) == dims else list(kernel) * dims:
        size *= int(extent)
    return size


class _Tracer(TorchDispatchMode):
    """Counts aten calls; module hooks tell it which unit or norm is at work."""

    def __init__(self) -> None:
        super().__init__()
        self.trace = Trace()
        self.active: list[tuple[str, str]] = []  # innermost last: ("unit" | "norm", qualified name)
        self.outputs: dict[int, tuple[Tensor, str]] = {}  # kept alive so that an id names one tensor only
        self.consumers: dict[str, set[str | None]] = {}  # None: something other than a norm
        self.producers: dict[str, set[str | None]] = {}  # None: something other than a unit

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        flops = op_flops(func, args, kwargs or {}, out)
        if func._overloadpacket in flop_registry and self.active and self.active[-1][0] == "unit":
            self.trace.macs[self.active[-1][1]] += flops // 2
        else:
            self.trace.other_flops += flops
        if not (self.active and self.active[-1][0] == "norm"):
            self._consume(tree_leaves((args, kwargs)), None)
        return out

    def result(self, output: Any) -> Trace:
        self._consume(tree_leaves(output), None)
        for unit in self.trace.macs:
            norms = self.consumers.get(unit, set())
            norm = next(iter(norms)) if len(norms) == 1 else None
            if norm is not None and self.producers[norm] == {unit}:
                self.trace.norms[unit] = norm
        return self.trace

    @contextmanager
    def hooked(self, model: nn.Module, units: Sequence[Unit]) -> Iterator[None]:
        handles = []
        for unit in units:
            for module in unit.modules:
                handles += self._watch(module, "unit", unit.name)
        for name, module in model.named_modules():
            if isinstance(module, _BatchNorm):
                handles += self._watch(module, "norm", name)
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _watch(self, module: nn.Module, role: str, name: str) -> list[Any]:
        def enter(_module: nn.Module, args: Any, kwargs: Any) -> None:
            tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
            if role == "norm":
                for leaf in tensors:
                    producer = self.outputs[id(leaf)][1] if id(leaf) in self.outputs else None
                    self.producers.setdefault(name, set()).add(producer)
            else:
                self.trace.macs.setdefault(name, 0)
            self._consume(tensors, name if role == "norm" else None)
            self.active.append((role, name))

        def leave(_module: nn.Module, _args: Any, output: Any) -> None:
            self.active.pop()
            if role == "unit" and isinstance(output, Tensor):
                self.outputs[id(output)] = (output, name)

        return [module.register_forward_pre_hook(enter, with_kwargs=True),
                module.register_forward_hook(leave)]

    def _consume(self, leaves: Sequence[Any], norm: str | None) -> None:
        for leaf in leaves:
            if id(leaf) in self.outputs:
                self.consumers.setdefault(self.outputs[id(leaf)][1], set()).add(norm)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; every module's own mode again afterwards.

    Without torch's fused attention, whose one operation hides the matrix products that are to be counted.
    """
    modes = [(module, module.training) for module in model.modules()]
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    model.eval()
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for module, training in modes:
            module.training = training
