"""The functions that a packed network may call in torch, by name: a file can ask for these and no others."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from b2nn.errors import PackedFileError

ATTRIBUTES = ("shape", "ndim", "dtype", "device", "T", "mT")
_OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "neg", "matmul", "getitem", "eq", "ne", "lt",
              "le", "gt", "ge", "and_", "or_", "invert")
# What torch lets tensor subclasses override takes tensors and gives tensors; these few do something else too.
_REFUSED = ("apply_", "map_", "map2_", "backward", "module_load", "numpy", "register_hook",
            "register_post_accumulate_grad_hook", "share_memory_", "storage", "untyped_storage")
# Harmless too, though torch lists them elsewhere.
_MORE = {"method": ("unflatten", "new_zeros", "new_ones", "new_full", "stride"),
         "functional": ("hardsigmoid", "hardswish", "sigmoid", "tanh"),
         "torch": ("arange", "zeros", "ones", "full", "linspace", "eye")}


def attribute(value: Any, name: str) -> Any:
    """An attribute of a tensor, one of `ATTRIBUTES`."""
    if name not in ATTRIBUTES:
        raise AttributeError(name)
    return getattr(value, name)


def window_means(x: Tensor, shift: Tensor, outputs: int, kernel: tuple[int, int], stride: tuple[int, int],
                 padding: tuple[int, int], dilation: tuple[int, int], groups: int) -> Tensor:
    """(N, outputs, H', W') K of the scale ``xnor``: mean of \\|x - shift\\| over each window, padding counted as 0."""
    means = (x - shift.view(-1, 1, 1)).abs().unflatten(1, (groups, -1)).mean(2)  # (N, groups, H, W)
    window = x.new_full((groups, 1, *kernel), 1 / (kernel[0] * kernel[1]))
    means = F.conv2d(means, window, None, stride, padding, dilation, groups)
    return means.repeat_interleave(outputs // groups, 1)


def input_means(x: Tensor, shift: Tensor) -> Tensor:
    """(..., 1) mean of \\|x - shift\\|, K of a linear layer."""
    return (x - shift).abs().mean(-1, keepdim=True)


def of_file(name: str) -> Callable[..., Any]:
    """The function that a file asks for.

    Raises:
        PackedFileError: there is no such function.
    """
    if name not in _by_name():
        raise PackedFileError(f"asks for the function {name!r}, which a packed network may not call")
    return _by_name()[name]


def name_of(function: Callable[..., Any]) -> str:
    """The name of a function, "" where it has none."""
    return _by_function().get(function, "")


def method(name: str) -> Callable[..., Any]:
    """The method `name` of tensors as a function; of other values, as sizes are, their own method."""
    found = _by_name().get(f"method.{name}")
    return found if found is not None else lambda value, *args, **kwargs: getattr(value, name)(*args, **kwargs)


@functools.cache
def _by_name() -> dict[str, Callable[..., Any]]:
    overridable = torch.overrides.get_overridable_functions()
    names: dict[str, Callable[..., Any]] = {}
    for prefix, home in (("method", Tensor), ("torch", torch), ("functional", F), ("linalg", torch.linalg),
                         ("special", torch.special), ("fft", torch.fft)):
        allowed = set(filter(callable, overridable[home])) | {getattr(home, name) for name in _MORE.get(prefix, ())}
        public = [name for name in dir(home) if not name.startswith("_") and name not in _REFUSED]
        names |= {f"{prefix}.{name}": function for name in public for function in [getattr(home, name)]
                  if callable(function) and _hashable(function) in allowed}
    names |= {f"operator.{name}": getattr(operator, name) for name in _OPERATORS}
    names |= {function.__name__: function for function in (attribute, window_means, input_means)}
    return names


def _hashable(function: Any) -> Any:
    return function if getattr(function, "__hash__", None) else None


@functools.cache
def _by_function() -> dict[Callable[..., Any], str]:
    return {function: name for name, function in _by_name().items()}
