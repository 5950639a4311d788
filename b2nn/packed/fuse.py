"""A traced method becomes a program: whatever follows a conv is folded into it as far as it goes."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from b2nn.layers import BinaryUnit
from b2nn.mixed import MixedUnit
from b2nn.packed import functions, lower
from b2nn.packed.program import (
    NO_ACTIVATION,
    Activation,
    Conv,
    Elementwise,
    Program,
    Step,
    TorchStep,
    Value,
    sources,
)
from b2nn.packed.trace import trace
from b2nn.trace import evaluating

_ADD = (operator.add, torch.add, "add")
_SUB = (operator.sub, torch.sub, torch.subtract, "sub", "subtract")
_MUL = (operator.mul, torch.mul, torch.multiply, "mul", "multiply")
_DIV = (operator.truediv, torch.div, torch.divide, torch.true_divide, "div", "divide", "true_divide")
_NOTHING = ("contiguous", "detach")  # methods that leave the numbers as they are
# As a map lies otherwise in memory than the model's, where `view` might fail.
_COPYING = {"view": "reshape", "view_as": "reshape_as"}


def programs(model: nn.Module, methods: tuple[str, ...]) -> dict[str, Program]:
    """The program of each method; layers that several of them call have one weight.

    Raises:
        B2nnError: a method that there is not, or something that has no packed form; the message names it.
    """
    convs: dict[Any, Conv] = {}
    with evaluating(model):
        return {method: _Fuser(model, convs).program(trace(model, method)) for method in methods}


class _Fuser:
    """Builds one program, node after node; `steps` has the producers of each value, in the order in which they run."""

    def __init__(self, model: nn.Module, convs: dict[Any, Conv]) -> None:
        self.model, self.convs = model, convs
        self.values: dict[fx.Node, Any] = {}  # a `Value`, a tensor that is constant, a named tuple of both
        self.nodes: dict[str, fx.Node] = {}
        self.steps: dict[str, list[Step]] = {}

    def program(self, graph: fx.Graph) -> Program:
        inputs, output = [], None
        for node in graph.nodes:
            if node.op == "placeholder":
                inputs.append(str(node.target))  # as the caller names it
                self.values[node] = Value(str(node.target))
                self.nodes[str(node.target)] = node
            elif node.op == "get_attr":
                self.values[node] = _attribute(self.model, node.target)
            elif node.op == "output":
                output = self._plain(node.args[0])
            else:
                self.values[node] = value = self._lowered(node)
                if isinstance(value, Value) and value.name != node.name:  # nothing but another name of what it read
                    node.replace_all_uses_with(self.nodes[value.name])
                    graph.erase_node(node)
                    continue
            self.nodes[node.name] = node
        steps = [_rounded(step) for group in self.steps.values() for step in group]
        return Program(tuple(inputs), tuple(steps), output)

    def _lowered(self, node: fx.Node) -> Any:
        args, kwargs = self._plain(node.args), self._plain(node.kwargs)
        if node.op == "call_module":
            return self._layer(node, self.model.get_submodule(str(node.target)), args, kwargs)
        value = self._function(node, args, kwargs)
        step = self.steps.get(value.name, [None])[0] if isinstance(value, Value) else None
        if isinstance(step, TorchStep) and step.name and not sources(step) and not _is_random(step.name):
            del self.steps[value.name]  # of weights only
            return step.function(*step.args, **step.kwargs)
        return value

    def _layer(self, node: fx.Node, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        source, name = next(iter((*args, *kwargs.values())), None), str(node.target)
        if isinstance(layer, nn.Identity | nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.AlphaDropout):
            return source
        if not isinstance(source, Value):
            return self._torch(node, layer, args, kwargs)
        if isinstance(layer, MixedUnit):
            return self._mixed(node, layer, source)
        if isinstance(layer, nn.Conv2d | nn.Linear):
            return self._conv(node.name, layer, name, source)
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.SyncBatchNorm):
            return self._norm(node, source, lower.statistics(layer, name), isinstance(layer, nn.BatchNorm1d))
        if (activation := lower.activation(layer)) is not None:
            return self._activation(node, activation, source)
        if (pool := lower.pool(layer)) is not None:
            return self._add(replace(pool, source=source.name, result=node.name))
        return self._torch(node, layer, args, kwargs)

    def _function(self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if isinstance(node.target, type) and hasattr(node.target, "_fields"):
            return node.target(*args, **kwargs)  # a named tuple: no tensor, but what it holds
        if args and isinstance(args[0], Value):
            activation = lower.functional_activation(node.target, args, kwargs)
            if activation is not None:
                return self._activation(node, activation, args[0])
        if node.target in _NOTHING and isinstance(args[0], Value):
            return args[0]
        if node.target == "float" and self._is_float(args[0]):
            return args[0]
        if node.target in (F.batch_norm, torch.batch_norm) and isinstance(args[0], Value) and \
                (statistics := lower.functional_statistics(node, args, kwargs)) is not None:
            return self._norm(node, args[0], statistics, of_rows=None)
        if len(args) == 2 and not kwargs:
            folded = self._arithmetic(node, *args)
            if folded is not None:
                return folded
        if node.op == "call_method":
            called = str(node.target)
            if called in _COPYING and not any(isinstance(arg, torch.dtype) for arg in (*args, *kwargs.values())):
                called = _COPYING[called]
            method, name = functions.method(called)
            return self._torch(node, method, args, kwargs, name)
        function: Any = functions.attribute if node.target is getattr else node.target
        return self._torch(node, function, args, kwargs)

    # Layers

    def _conv(self, result: str, layer: Any, name: str, source: Value) -> Value:
        if isinstance(layer, nn.Conv2d) and (padding := lower.padded(layer)) is not None:
            around, mode = padding
            source = self._step(f"{result}:padded", F.pad, (source, around), dict(mode=mode))
        step = self._template(layer, name)
        self._add(replace(step, source=source.name, result=result))
        if isinstance(layer, BinaryUnit) and layer.recipe.scale == "xnor":
            self._window_means(result, layer, step, source)
        return Value(result)

    def _template(self, layer: Any, name: str) -> Conv:
        """The layer's conv; several calls share its tensors."""
        if id(layer) not in self.convs:
            self.convs[id(layer)] = lower.conv(layer, name)
        return self.convs[id(layer)]

    def _window_means(self, result: str, layer: Any, step: Conv, source: Value) -> None:
        """Multiply by K of ``xnor`` before the bias, in torch."""
        sums: Any = replace(step, source=source.name, result=f"{result}:sums", beta=torch.zeros_like(step.beta))
        del self.steps[result]
        self._add(sums)
        shape = () if step.linear else (len(step.weight), tuple(step.weight.shape[2:]), step.stride, step.padding,
                                        step.dilation, step.groups)
        function: Any = functions.input_means if step.linear else functions.window_means
        gain = self._step(f"{result}:gain", function, (source, step.threshold, *shape))
        scaled = self._step(f"{result}:scaled" if layer.bias is not None else result, operator.mul,
                            (Value(sums.result), gain))
        if layer.bias is not None:
            bias = layer.bias.detach().float()
            self._step(result, operator.add, (scaled, bias if step.linear else bias.view(-1, 1, 1)))

    def _mixed(self, node: fx.Node, unit: Any, source: Value) -> Value:
        """Each run of channels of one kind is a conv of its own into the one map."""
        full, binary = (self._template(getattr(unit, part), f"{node.target}.{part}") for part in ("full", "binary"))
        plain = full.groups == binary.groups == 1 and not full.linear and unit.full_inputs is None
        if not plain or unit.binary.recipe.scale == "xnor" or lower.padded(unit.full) is not None:
            return self._concatenated(node, unit, source)
        first, second = (binary, full) if unit._binary_first else (full, binary)
        cut, total = len(first.weight), len(first.weight) + len(second.weight)
        order = torch.arange(total) if unit.order is None else unit.order.cpu()
        breaks = [0, *[place for place in range(1, total)
                       if order[place] != order[place - 1] + 1 or order[place] == cut], total]
        for begin, end in pairwise(breaks):
            row = int(order[begin])
            part, row = (first, row) if row < cut else (second, row - cut)
            key = (id(part.weight), row, end)
            sliced = self.convs.setdefault(key, _sliced(part, row, row + end - begin))
            self._add(replace(sliced, source=source.name, result=node.name, first=begin, channels=total))
        return Value(node.name)

    def _concatenated(self, node: fx.Node, unit: Any, source: Value) -> Value:
        parts = {}
        for part in ("full", "binary"):
            inputs = getattr(unit, f"{part}_inputs")
            read = source if inputs is None else self._step(
                f"{node.name}:{part}_inputs", torch.index_select, (source, unit._axis, inputs.cpu()))
            parts[part] = self._conv(f"{node.name}:{part}", getattr(unit, part), f"{node.target}.{part}", read)
        pair = (parts["binary"], parts["full"]) if unit._binary_first else (parts["full"], parts["binary"])
        name = node.name if unit.order is None else f"{node.name}:parts"
        joined = self._step(name, torch.cat, (pair, unit._axis))
        if unit.order is None:
            return joined
        return self._step(node.name, torch.index_select, (joined, unit._axis, unit.order.cpu()))

    def _norm(self, node: fx.Node, source: Value, norm: lower.Statistics, of_rows: bool | None) -> Value:
        """Args: of_rows: whether the values are (N, C) or maps, None where that is not known."""
        alpha, beta = norm.affine()
        steps = self._foldable(source, affine=True)
        if steps and of_rows in (None, steps[0].linear) and _channels(steps) == len(alpha):
            return self._fold(node, source, lambda step: replace(_scaled(step, alpha, beta), flat=step.linear))
        if of_rows is not False:
            return self._step(node.name, F.batch_norm, (source, norm.mean, norm.variance, norm.weight, norm.bias, False,
                                                        0.0, norm.eps))
        return self._add(Elementwise(source.name, node.name, alpha=alpha, beta=beta))

    def _activation(self, node: fx.Node, activation: Activation, source: Value) -> Value:
        steps = self._foldable(source)
        if steps and all(isinstance(step, Conv) for step in steps):
            several = [tensor for tensor in (activation.slope, activation.shift_in) if tensor is not None]
            flat = steps[0].linear and any(len(tensor) > 1 for tensor in several)
            total = _channels(steps)
            return self._fold(node, source, lambda step: replace(
                step, flat=step.flat or flat,
                activation=_expanded(activation, total, step.first, step.first + len(step.weight))))
        if steps:
            return self._fold(node, source, lambda step: replace(step, activation=activation))
        return self._add(Elementwise(source.name, node.name, activation=activation))

    # Arithmetic

    def _arithmetic(self, node: fx.Node, left: Any, right: Any) -> Value | None:
        """Sums of two values, and values times or plus constants; None where it stays a torch function."""
        target = node.target
        if isinstance(left, Value) and isinstance(right, Value):
            return self._sum(node, left, right) if target in _ADD and left != right else None
        if target in (*_ADD, *_MUL) and isinstance(right, Value):
            left, right = right, left
        if not isinstance(left, Value) or isinstance(right, bool):
            return None
        if not isinstance(right, int | float) and not (isinstance(right, Tensor) and _is_channels(right)):
            return None
        constant = torch.as_tensor(right, dtype=torch.float64).detach().flatten()
        one, zero = torch.ones_like(constant), torch.zeros_like(constant)
        by = {_ADD: (one, constant), _SUB: (one, -constant), _MUL: (constant, zero), _DIV: (1 / constant, zero)}
        found = next((pair for targets, pair in by.items() if target in targets), None)
        if found is None:
            return None
        alpha, beta = found
        steps = self._foldable(left, affine=True)
        if steps and not steps[0].linear and len(alpha) in (1, _channels(steps)):
            total = _channels(steps)
            return self._fold(node, left, lambda step: _scaled(step, alpha.expand(total), beta.expand(total)))
        made = self.steps.get(left.name, [None])[0]
        if self._foldable(left) and isinstance(made, Elementwise) and made.other is None and made.alpha is not None \
                and len(made.alpha) == len(alpha):
            return self._fold(node, left, lambda step: replace(step, alpha=step.alpha * alpha,
                                                               beta=step.beta * alpha + beta))
        # Whole numbers stay whole, and bytes bytes, if nothing but whole numbers comes in.
        if isinstance(right, Tensor) and (right.is_floating_point() or target in _DIV or self._is_float(left)):
            return self._add(Elementwise(left.name, node.name, alpha=alpha, beta=beta))
        return None

    def _sum(self, node: fx.Node, left: Value, right: Value) -> Value:
        for value, other in ((right, left), (left, right)):
            steps = self._foldable(value)
            if steps and all(isinstance(step, Conv) and step.shortcut is None for step in steps):
                return self._fold(node, value, partial(replace, shortcut=other.name))
            if steps and isinstance(steps[0], Elementwise) and steps[0].other is None:
                return self._fold(node, value, partial(replace, other=other.name))
        return self._add(Elementwise(left.name, node.name, other=right.name))

    # Steps

    def _is_float(self, value: Any) -> bool:
        """Whether a value is float32 whatever the inputs are."""
        made = self.steps.get(value.name, [None])[0] if isinstance(value, Value) else None
        return isinstance(made, Conv) or (isinstance(made, Elementwise) and made.alpha is not None)

    def _foldable(self, value: Value, affine: bool = False) -> list[Any]:
        """The producers of a value that nobody else reads and that ends without activation; [] if it is not so.

        Args:
            affine: convs without a shortcut only.
        """
        steps = self.steps.get(value.name, [])
        for step in steps:
            if not isinstance(step, Conv | Elementwise) or step.activation is not NO_ACTIVATION:
                return []
            if affine and (not isinstance(step, Conv) or step.shortcut is not None):
                return []
        return steps if value.name in self.nodes and len(self.nodes[value.name].users) == 1 else []

    def _fold(self, node: fx.Node, value: Value, change: Callable[[Any], Step]) -> Value:
        """Change the producers of a value, which become the node's; they run now, when all that they read is there."""
        self.steps[node.name] = [replace(change(step), result=node.name) for step in self.steps.pop(value.name)]
        return Value(node.name)

    def _torch(self, node: fx.Node, function: Any, args: Any, kwargs: Any, name: str | None = None) -> Value:
        layer = ""
        if isinstance(function, nn.Module):
            function, layer, name = copy.deepcopy(function).eval(), str(node.target), ""
        return self._step(node.name, function, args, kwargs, name, layer)

    def _step(self, result: str, function: Any, args: Any, kwargs: Any = None, name: str | None = None,
              layer: str = "") -> Value:
        name = functions.name_of(function) if name is None else name
        return self._add(TorchStep(result, function, name, args, kwargs or {}, layer or name or str(function)))

    def _add(self, step: Step) -> Value:
        self.steps.setdefault(step.result, []).append(step)
        return Value(step.result)

    def _plain(self, nested: Any) -> Any:
        """Nested arguments of fx with our values in the place of its nodes."""
        if isinstance(nested, fx.Node):
            return self.values[nested]
        if isinstance(nested, slice):
            return slice(*map(self._plain, (nested.start, nested.stop, nested.step)))
        if isinstance(nested, dict):
            return {key: self._plain(item) for key, item in nested.items()}
        if isinstance(nested, tuple) and hasattr(nested, "_fields"):
            return type(nested)(*map(self._plain, nested))
        if isinstance(nested, tuple):
            return tuple(map(self._plain, nested))
        return list(map(self._plain, nested)) if isinstance(nested, list) else nested


def _attribute(model: nn.Module, target: str) -> Any:
    owner, _, name = target.rpartition(".")
    value = getattr(model.get_submodule(owner), name)
    return value.detach().clone() if isinstance(value, Tensor) else value


def _is_random(name: str) -> bool:
    return any(part in name for part in ("rand", "normal", "bernoulli", "multinomial", "poisson", "dropout"))


def _channels(steps: list[Conv]) -> int:
    return steps[0].channels


def _is_channels(constant: Tensor) -> bool:
    return constant.ndim in (3, 4) and constant.shape[-2:] == (1, 1) and (constant.ndim == 3 or len(constant) == 1)


def _scaled(step: Conv, alpha: Tensor, beta: Tensor) -> Conv:
    """The conv followed by alpha y + beta, (channels,) of its whole result."""
    own = slice(step.first, step.first + len(step.weight))
    alpha, beta = alpha[own], beta[own]
    gamma = None if step.gamma is None else step.gamma * alpha
    return replace(step, alpha=step.alpha * alpha, beta=step.beta * alpha + beta, gamma=gamma)


def _sliced(step: Conv, first: int, end: int) -> Conv:
    """The rows `first` to `end` of a conv of one group."""
    rows = slice(first, end)
    return replace(step, weight=step.weight[rows], alpha=step.alpha[rows], beta=step.beta[rows],
                   gamma=None if step.gamma is None else step.gamma[rows])


def _expanded(activation: Activation, total: int, first: int, end: int) -> Activation:
    """The activation of channels `first` to `end` of `total`, with slopes and shifts for each."""
    return replace(activation, **{
        name: tensor.expand(total)[first:end].contiguous() for name in ("slope", "shift_in", "shift_out")
        if (tensor := getattr(activation, name)) is not None})


def _rounded(step: Step) -> Step:
    """Constants in float32, which were folded in float64."""
    names = ("alpha", "beta", "gamma") if isinstance(step, Conv | Elementwise) else ()
    return replace(step, **{name: tensor.float().contiguous() for name in names
                            if (tensor := getattr(step, name, None)) is not None})
