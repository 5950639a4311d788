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
    Correlate,
    Elementwise,
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
    steps = [_comparison(step, made) or _correlation(step, made) or _mean(step) or _gate(step, made) or step
             for step in program.steps]
    for fused in (_with_affine, _with_sigmoids):
        steps = _read(fused(_read(steps, program)), program)
    return replace(program, steps=tuple(steps))


def _comparison(step: Step, made: dict[str, Step]) -> Compare | None:
    """kernel.flatten(2).transpose(1, 2) @ source.flatten(2), its pixels as rows and columns again."""
    if not _is(step, "unflatten", 3) or step.args[1] != 2:
        return None
    product = _before(step.args[0], made)
    if not _is(product, "matmul", 2):
        return None
    turned, source = (_before(arg, made) for arg in product.args)
    if not _is(turned, "transpose", 3) or sorted(turned.args[1:]) != [1, 2]:
        return None
    kernel = _before(turned.args[0], made)
    if not all(_is(flat, "flatten", 2) and flat.args[1] == 2 for flat in (kernel, source)):
        return None
    sides = _before(step.args[2], made)
    if not _is(sides, "getitem", 2) or sides.args[1] != slice(2, None, None):
        return None
    shape = _before(sides.args[0], made)
    if not _is(shape, "attribute", 2) or shape.args != (source.args[0], "shape"):
        return None
    return Compare(source.args[0].name, kernel.args[0].name, step.result)


def _correlation(step: Step, made: dict[str, Step]) -> Correlate | None:
    """A conv of N C groups: every channel of every image by a kernel of its own, with half the kernel around."""
    if not _is(step, "unflatten", 3) or step.args[1] != 0:
        return None
    picked = _before(step.args[0], made)
    conv = _before(picked.args[0], made) if _is(picked, "getitem", 2) and picked.args[1] == 0 else None
    if not isinstance(conv, TorchStep) or conv.name not in ("functional.conv2d", "torch.conv2d") or \
            len(conv.args) != 2 or set(conv.kwargs) != {"padding", "groups"}:
        return None
    source, kernel = (_channels_first(arg, index, made) for arg, index in zip(conv.args, (
        None, (slice(None), None)), strict=True))
    padding, groups = (_before(conv.kwargs[name], made) for name in ("padding", "groups"))
    if source is None or kernel is None or not _is(padding, "floordiv", 2) or padding.args[1] != 2 or \
            not _is(groups, "mul", 2):
        return None
    sides = [_side(arg, made) for arg in (*groups.args, padding.args[0], *step.args[2])]
    return Correlate(source, kernel, step.result) if sides == [(kernel, axis) for axis in (0, 1, 2, 0, 1)] else None


def _channels_first(value: Any, index: Any, made: dict[str, Step]) -> str | None:
    """x of x.flatten(0, 1)[index], without a float() that does nothing."""
    picked = _before(value, made)
    flat = _before(picked.args[0], made) if _is(picked, "getitem", 2) and picked.args[1] == index else None
    if not _is(flat, "flatten", 3) or flat.args[1:] != (0, 1):
        return None
    return _unwidened(flat.args[0], made)


def _unwidened(value: Value, made: dict[str, Step]) -> str:
    step = _before(value, made)
    return step.args[0].name if _is(step, "float", 1) else value.name


def _side(value: Any, made: dict[str, Step]) -> tuple[str, int] | None:
    """The x and i of x.shape[i]."""
    size = _before(value, made)
    shape = _before(size.args[0], made) if _is(size, "getitem", 2) else None
    return (shape.args[0].name, size.args[1]) if _is(shape, "attribute", 2) and shape.args[1] == "shape" else None


def _mean(step: Step) -> Mean | None:
    if isinstance(step, TorchStep) and step.name in ("method.mean", "torch.mean") and isinstance(step.args[0], Value):
        given = dict(zip(("dim", "keepdim"), step.args[1:], strict=False)) | step.kwargs
        axes = given.get("dim")
        if given == dict(dim=axes, keepdim=True) and isinstance(axes, tuple | list) and tuple(axes) in (
                (2, 3), (-2, -1), (3, 2), (-1, -2)):
            return Mean(step.args[0].name, step.result)
    if _is(step, "adaptive_avg_pool2d", 2) and step.args[1] in (1, (1, 1), [1, 1]):
        return Mean(step.args[0].name, step.result)
    return None


def _gate(step: Step, made: dict[str, Step]) -> Gate | None:
    """A product of which one factor is a sigmoid."""
    if not _is(step, "mul", 2):
        return None
    for x, gates in (step.args, step.args[::-1]):
        if isinstance(x, Value) and _is_sigmoid(_before(gates, made)):
            return Gate(x.name, gates.name, step.result)
    return None


def _with_affine(steps: list[Step]) -> list[Step]:
    """Correlations take in the constants and the activation that follow them."""
    readers = Counter(name for step in steps for name in sources(step))
    following = {step.source: step for step in steps if isinstance(step, Elementwise) and step.other is None}
    found: list[Step] = []
    for step in steps:
        after = following.get(step.result)
        if isinstance(step, Correlate) and after is not None and readers[step.result] == 1:
            step = replace(step, result=after.result, alpha=after.alpha, beta=after.beta, activation=after.activation)
        found.append(step)
    taken = {step.result for step in found if isinstance(step, Correlate)}
    return [step for step in found if isinstance(step, Correlate) or step.result not in taken]


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
    """Whether a step calls a function, by whatever way torch has to it, on a value and other positional arguments."""
    return isinstance(step, TorchStep) and step.name.rpartition(".")[2] == name and len(step.args) == arguments \
        and isinstance(step.args[0], Value) and not step.kwargs


def _is_sigmoid(step: Any) -> TypeGuard[TorchStep]:
    return _is(step, "sigmoid", 1)
