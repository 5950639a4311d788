"""The functions that a packed network may call in torch, by name: a file can ask for these and no others."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from b2nn.errors import PackedFileError, UnsupportedModule

ATTRIBUTES = ("shape", "ndim", "dtype", "device", "T", "mT")
_OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "neg", "matmul", "getitem", "eq", "ne", "lt",
              "le", "gt", "ge", "and_", "or_", "invert")
# What torch lets tensor subclasses override takes tensors and gives tensors, but for these: they call back, write to
# their argument or hand its memory out, move it to a device, or depend on how it lies in memory. (Whatever ends in "_"
# writes in place, and is left out too: a map whose memory moves is not found again by the kernels.)
_REFUSED = ("apply_", "map_", "map2_", "backward", "module_load", "numpy", "register_hook", "retain_grad",
            "register_post_accumulate_grad_hook", "storage", "untyped_storage", "storage_type", "storage_offset",
            "data_ptr", "const_data_ptr", "as_strided", "as_strided_scatter", "as_strided_copy", "resize", "resize_as",
            "cuda", "ipu", "xpu", "hpu", "pin_memory", "is_pinned", "is_shared", "is_set_to", "record_stream",
            "is_contiguous", "to_mkldnn", "fused_moving_avg_obs_fake_quant", "fbgemm_linear_quantize_weight",
            "fbgemm_pack_quantized_matrix", "batch_norm_backward_elemt", "batch_norm_backward_reduce")
# Harmless too, though torch lists them elsewhere.
_MORE = {"method": ("unflatten", "new_zeros", "new_ones", "new_full"),
         "functional": ("hardsigmoid", "hardswish", "sigmoid", "tanh"),
         "torch": ("arange", "zeros", "ones", "full", "linspace", "eye")}
_WRITING = ("out", "inplace")  # arguments that make a function write to another one


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


def of_file(name: str, arguments: dict[str, Any]) -> Callable[..., Any]:
    """The function that a file asks for.

    Args:
        arguments: those that it is called with by name.

    Raises:
        PackedFileError: there is no such function, or it would write to its arguments.
    """
    if name not in _by_name():
        raise PackedFileError(f"asks for the function {name!r}, which a packed network may not call")
    if any(arguments.get(argument) is not None and arguments[argument] is not False for argument in _WRITING):
        raise PackedFileError(f"asks for the function {name!r} to write to its arguments")
    return _by_name()[name]


def names() -> frozenset[str]:
    """All of them."""
    return frozenset(_by_name())


def name_of(function: Callable[..., Any]) -> str:
    """The name of a function, "" where it has none."""
    return _by_function().get(function, "")


def method(name: str) -> tuple[Callable[..., Any], str]:
    """The method `name` of tensors as a function, and its name in files; "" for methods of other values.

    Raises:
        UnsupportedModule: tensors have that method, but a packed network may not call it.
    """
    found = _by_name().get(f"method.{name}")
    if found is None and hasattr(Tensor, name):
        raise UnsupportedModule(f"Tensor.{name} reaches beyond what a packed network computes; leave it out of the "
                                "model, or put it into a module of its own that torch.fx does not follow")
    if found is not None:
        return found, f"method.{name}"

    def of_its_own(value: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(value, name)(*args, **kwargs)

    return of_its_own, ""


@functools.cache
def _by_name() -> dict[str, Callable[..., Any]]:
    overridable = torch.overrides.get_overridable_functions()
    names: dict[str, Callable[..., Any]] = {}
    for prefix, home in (("method", Tensor), ("torch", torch), ("functional", F), ("linalg", torch.linalg),
                         ("special", torch.special), ("fft", torch.fft)):
        allowed = set(filter(callable, overridable[home])) | {getattr(home, name) for name in _MORE.get(prefix, ())}
        public = [name for name in dir(home) if not name.startswith("_") and not name.endswith("_")
                  and name not in _REFUSED]
        names |= {f"{prefix}.{name}": function for name in public for function in [getattr(home, name)]
                  if callable(function) and _hashable(function) in allowed}
    names |= {f"operator.{name}": getattr(operator, name) for name in _OPERATORS}
    names |= {function.__name__: function for function in (attribute, window_means, input_means)}
    names["method.numel"] = lambda value: value.numel()  # sizes have it too
    return names


def _hashable(function: Any) -> Any:
    return function if getattr(function, "__hash__", None) else None


@functools.cache
def _by_function() -> dict[Callable[..., Any], str]:
    return {function: name for name, function in _by_name().items()}
