"""Steps that a program has as several torch functions, and that the kernels have as one.

A program's file keeps the functions, so that files do not depend on what the kernels know.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, TypeGuard

from b2nn.packed.program import (
    Activation,
    Compare,
    Conv,
    Gate,
    Mean,
    Program,
    Step,
    TorchStep,
    Value,
    sources,
    values_in,
)


def recognised(program: Program) -> Program:
    """The program with such steps. They compute the same, if the values are maps; sums may be ordered otherwise."""
    made = {step.result: step for step in program.steps}
    steps = [_comparison(step, made) or _mean(step) or _gate(step, made) or step for step in program.steps]
    return replace(program, steps=tuple(_read(_with_sigmoids(_read(steps, program)), program)))


def _comparison(step: Step, made: dict[str, Step]) -> Compare | None:
    """kernel.flatten(2).transpose(1, 2) @ source.flatten(2), its pixels as rows and columns again."""
    if not _is(step, "method.unflatten", 3) or step.args[1] != 2:
        return None
    product = _before(step.args[0], made)
    if not _is(product, "operator.matmul", 2):
        return None
    turned, source = (_before(arg, made) for arg in product.args)
    if not _is(turned, "method.transpose", 3) or sorted(turned.args[1:]) != [1, 2]:
        return None
    kernel = _before(turned.args[0], made)
    if not all(_is(flat, "method.flatten", 2) and flat.args[1] == 2 for flat in (kernel, source)):
        return None
    sides = _before(step.args[2], made)
    if not _is(sides, "operator.getitem", 2) or sides.args[1] != slice(2, None, None):
        return None
    shape = _before(sides.args[0], made)
    if not _is(shape, "attribute", 2) or shape.args != (source.args[0], "shape"):
        return None
    return Compare(source.args[0].name, kernel.args[0].name, step.result)


def _mean(step: Step) -> Mean | None:
    if _is(step, "method.mean", 2) and tuple(step.args[1]) == (2, 3) and step.kwargs == {"keepdim": True}:
        return Mean(step.args[0].name, step.result)
    return None


def _gate(step: Step, made: dict[str, Step]) -> Gate | None:
    """A product of which one factor is a sigmoid."""
    if not _is(step, "operator.mul", 2):
        return None
    for x, gates in (step.args, step.args[::-1]):
        if isinstance(x, Value) and _is_sigmoid(_before(gates, made)):
            return Gate(x.name, gates.name, step.result)
    return None


def _with_sigmoids(steps: list[Step]) -> list[Step]:
    """Convs take in the sigmoid that follows them."""
    readers = Counter(name for step in steps for name in sources(step))
    following = {step.args[0].name: step.result for step in steps
                 if _is_sigmoid(step) and isinstance(step.args[0], Value)}
    found, gone = [], set()
    for step in steps:
        if isinstance(step, Conv) and step.result in following and readers[step.result] == 1 and step.whole \
                and step.activation.name == "none" and not step.linear:
            gone.add(following[step.result])
            step = replace(step, result=following[step.result], activation=Activation("sigmoid"))
        elif step.result in gone:
            continue
        found.append(step)
    return found


def _read(steps: list[Step], program: Program) -> list[Step]:
    """The steps whose results somebody reads."""
    wanted, kept = set(values_in(program.output)), []
    for step in reversed(steps):
        if step.result in wanted:
            wanted.update(sources(step))
            kept.append(step)
    return kept[::-1]


def _before(value: Any, made: dict[str, Step]) -> Any:
    return made.get(value.name) if isinstance(value, Value) else None


def _is(step: Any, name: str, arguments: int) -> TypeGuard[TorchStep]:
    """Whether a step calls a function on a value and other positional arguments."""
    return isinstance(step, TorchStep) and step.name == name and len(step.args) == arguments \
        and isinstance(step.args[0], Value) and (not step.kwargs or name == "method.mean")


def _is_sigmoid(step: Any) -> TypeGuard[TorchStep]:
    return any(_is(step, name, 1) for name in ("method.sigmoid", "torch.sigmoid", "functional.sigmoid"))
