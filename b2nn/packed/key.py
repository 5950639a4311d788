"""For which arguments a program is prepared: their shapes and types, and those numbers that shapes may depend on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from b2nn.packed.program import Program, TorchStep, sources

# Functions of numbers and maps that make maps of the same shape whatever the numbers are.
_ARITHMETIC = {f"{home}.{name}" for home in ("operator", "torch", "method") for name in (
    "add", "sub", "mul", "truediv", "div", "true_divide", "floordiv", "mod", "pow", "neg", "multiply", "subtract",
    "divide", "eq", "ne", "lt", "le", "gt", "ge", "clamp", "clip", "maximum", "minimum", "lerp")}


def without_shapes(program: Program) -> frozenset[str]:
    """Inputs that, where they are numbers, decide no shape: nothing but arithmetic reads them."""
    return frozenset(name for name in program.inputs if _is_arithmetic_only(program, name))


def key_of(program: Program, args: Sequence[Any], free: frozenset[str]) -> tuple[Any, ...]:
    """What a program is prepared for; `free` are the inputs of `without_shapes`.

    The type counts too: 1, 1.0 and True are equal.
    """
    return tuple(
        (arg.shape, arg.dtype) if isinstance(arg, Tensor) else
        (type(arg), None if name in free and isinstance(arg, int | float | complex) else arg)
        for name, arg in zip(program.inputs, args, strict=True))


def _is_arithmetic_only(program: Program, name: str) -> bool:
    numbers = {name}  # the input, and what is made of it alone
    for step in program.steps:
        read = set(sources(step))
        if read & numbers:
            if not isinstance(step, TorchStep) or step.name not in _ARITHMETIC:
                return False
            if read <= numbers and not any(isinstance(arg, Tensor) for arg in (*step.args, *step.kwargs.values())):
                numbers.add(step.result)
    return True
