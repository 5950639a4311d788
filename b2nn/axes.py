"""Axes: the dimensions of a model's tensors, and which of them each aten call makes one.

An axis is a dimension of a parameter or buffer, longer than 1. The tensors of a run carry the axes that reach
their dimensions; a call ties axes that must be shortened together (the dependency graph of DepGraph, arXiv
2301.12900) and fixes those that nothing may shorten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from math import lcm, prod
from typing import Any

import torch
from torch import Tensor

Dims = tuple[int | None, ...]  # the axis of each dimension of a tensor; None where there is nothing to remove


@dataclass
class _Set:
    """Axes that are shortened together.

    Attributes:
        size: number of channels they all have.
        repeats: of each axis; its entries are (repeats, size, entries a channel).
        fixed: whether nothing may shorten them.
    """

    size: int
    repeats: dict[int, int]
    fixed: bool = False

    def split(self, parts: int) -> None:
        """Make channels of what lies `parts` times in the channels so far."""
        self.fixed |= self.size % parts != 0
        self.size = max(1, self.size // parts)
        self.repeats = {axis: repeats * parts for axis, repeats in self.repeats.items()}


class Axes:
    """Disjoint sets of axes, and the axes of the tensors of one run.

    Attributes:
        roles: ``weight`` for the axis of a conv's or linear layer's outputs, ``scale`` for a BatchNorm's γ.
    """

    def __init__(self) -> None:
        self.roles: dict[int, str] = {}
        self._sets: list[_Set] = []  # of each axis
        # The tensors are kept alive so that an id names one tensor only.
        self._dims: dict[int, tuple[Tensor, Dims]] = {}

    def new(self, extent: int) -> int:
        self._sets.append(_Set(extent, {len(self._sets): 1}))
        return len(self._sets) - 1

    def dims(self, tensor: Tensor) -> Dims:
        return self._dims[id(tensor)][1] if id(tensor) in self._dims else (None,) * tensor.ndim

    def set_dims(self, tensor: Tensor, dims: Dims) -> None:
        self._dims[id(tensor)] = tensor, dims

    def sets(self) -> list[_Set]:
        """All sets that nothing fixes, in the order of their first axes."""
        return [group for group in {id(group): group for group in self._sets}.values() if not group.fixed]

    def fix(self, axes: Iterable[int | None]) -> None:
        for axis in axes:
            if axis is not None:
                self._sets[axis].fixed = True

    def tie(self, *axes: int | None) -> int | None:
        """Make all one set and return the first; a None among them is fixed, and with it the others.

        Of two extents the longer has several entries for each of the shorter, side by side.
        """
        known = [axis for axis in axes if axis is not None]
        for axis in known[1:]:
            self._join(known[0], axis, 1)
        if len(known) < len(axes):
            self.fix(known)
        return known[0] if known else None

    def repeat(self, long: int | None, short: int | None, times: int) -> None:
        """Make one set of `short` and of `long`, which holds it `times` times, one after the other."""
        if long is None or short is None:
            self.fix([long, short])
        else:
            self._join(long, short, times)

    def _join(self, long: int, short: int, times: int) -> None:
        into, other = self._sets[long], self._sets[short]
        if into is other:
            into.fixed |= into.repeats[long] != times * into.repeats[short]
            return
        repeats = lcm(into.repeats[long], times * other.repeats[short])
        into.split(repeats // into.repeats[long])
        other.split(repeats // (times * other.repeats[short]))
        small, large = sorted((into.size, other.size))
        into.fixed |= other.fixed or large % small != 0
        into.size = small
        into.repeats |= other.repeats
        for axis in other.repeats:
            self._sets[axis] = into


def follow(axes: Axes, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any] | None, out: Any) -> None:
    """Give the results of one aten call their axes; without a rule for it, all axes that enter are fixed."""
    sources, results = list(tensors_in((args, kwargs))), list(tensors_in(out))
    if not results or all(axis is None for source in sources for axis in axes.dims(source)):
        return
    rule = _rule(func)
    if rule is None:
        for source in sources:
            axes.fix(axes.dims(source))
    dims = rule(axes, args, results[0]) if rule else (None,) * results[0].ndim
    for result in results:
        axes.set_dims(result, dims if result.ndim == len(dims) else (None,) * result.ndim)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors in nested sequences, mappings and dataclasses."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from tensors_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from tensors_in(entry)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from tensors_in([getattr(value, field.name) for field in fields(value)])


# The rules. Each gets the axes, the call's arguments and its first result, and returns that result's dims.


def _pointwise(axes: Axes, args: Sequence[Any], out: Tensor) -> Dims:
    """Broadcast operands share the axes that they have at full extent."""
    operands = [(tensor.shape, axes.dims(tensor)) for tensor in tensors_in(args)]
    dims: list[int | None] = []
    for place in range(-out.ndim, 0):
        extent = out.shape[place]
        meeting = [own[place] for shape, own in operands if len(shape) >= -place and shape[place] == extent]
        dims.append(axes.tie(*meeting) if extent > 1 else None)
    return tuple(dims)


def _resize(axes: Axes, args: Sequence[Any], out: Tensor) -> Dims:
    """Pooling, resizing, padding, slicing: a dimension whose extent changes is fixed, the others pass."""
    dims = axes.dims(args[0])
    same = [old == new for old, new in zip(args[0].shape, out.shape, strict=True)]
    axes.fix(axis for axis, unchanged in zip(dims, same, strict=True) if not unchanged)
    return tuple(axis if unchanged else None for axis, unchanged in zip(dims, same, strict=True))


def _reduce(axes: Axes, args: Sequence[Any], out: Tensor) -> Dims:
    """Sums, means, extrema and `select` over some dimensions: those are fixed."""
    dims = axes.dims(args[0])
    named = args[1] if len(args) > 1 else None
    gone = {dim % len(dims) for dim in ([named] if isinstance(named, int) else named or range(len(dims)))}
    axes.fix(dims[dim] for dim in gone)
    if out.ndim == len(dims):
        return tuple(None if dim in gone else axis for dim, axis in enumerate(dims))
    return tuple(axis for dim, axis in enumerate(dims) if dim not in gone)


def _reorder(axes: Axes, args: Sequence[Any], out: Tensor) -> Dims:
    dims = axes.dims(args[0])
    order = list(range(len(dims)))
    if len(args) == 1:  # t
        order.reverse()
    elif isinstance(args[1], int):  # transpose
        order[args[1]], order[args[2]] = order[args[2]], order[args[1]]
    else:  # permute
        order = args[1]
    return tuple(dims[dim] for dim in order)


def _view(axes: Axes, args: Sequence[Any], out: Tensor) -> Dims:
    """Dimensions that keep their extent pass; a flattened map, (C, H, W) -> C·H·W, has a longer axis."""
    source, dims = args[0], axes.dims(args[0])
    result: list[int | None] = [None] * out.ndim
    for olds, news in _aligned(source.shape, out.shape):
        first = dims[olds[0]]
        if len(olds) == len(news) == 1:
            result[news[0]] = first
        elif len(news) == 1 and first is not None:
            axes.fix(dims[old] for old in olds[1:])
            result[news[0]] = axes.tie(axes.new(out.shape[news[0]]), first)
        else:
            axes.fix(dims[old] for old in olds)
    return tuple(result)


def _aligned(old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Shortest runs of dimensions of equal product, in order; extents of 1 are left out."""
    olds = [dim for dim, extent in enumerate(old) if extent != 1]
    news = [dim for dim, extent in enumerate(new) if extent != 1]
    while olds and news:
        left, right = [olds.pop(0)], [news.pop(0)]
        while (a := prod(old[dim] for dim in left)) != (b := prod(new[dim] for dim in right)):
            if a < b:
                left.append(olds.pop(0))
            else:
                right.append(news.pop(0))
        yield left, right


def _concatenate(axes: Axes, args: Sequence[Any], out: Tensor) -> Dims:
    parts = [axes.dims(tensor) for tensor in args[0]]
    along = (args[1] if len(args) > 1 else 0) % out.ndim
    axes.fix(part[along] for part in parts)
    return tuple(None if dim == along else axes.tie(*(part[dim] for part in parts))
                 for dim in range(out.ndim))


def _convolution(axes: Axes, args: Sequence[Any], out: Tensor) -> Dims:
    """One group ties the input to the weight's inputs. A depthwise conv ties input and output; the groups of
    any other grouped conv lose the same channels."""
    (source, weight, bias), transposed, groups = args[:3], args[6], args[8]
    (batch, entering, *cells), (first, second, *kernel) = axes.dims(source), axes.dims(weight)
    axes.fix([batch, *cells, *kernel])
    makes: int | None = None
    if groups == 1:
        reads, makes = (first, second) if transposed else (second, first)
        axes.tie(entering, reads)
    elif transposed:
        axes.fix([entering, first, second])
    elif weight.shape[1] == 1:
        makes = axes.tie(first, entering)
    else:
        axes.repeat(entering, second, groups)
        axes.repeat(first, axes.new(weight.shape[0] // groups), groups)
        makes = first
    return (None, _made(axes, makes, bias), *(None for _ in cells))


def _product(axes: Axes, args: Sequence[Any], out: Tensor) -> Dims:
    """addmm(bias, rows, weight) and mm(rows, weight); the weight is a linear layer's, transposed."""
    bias, rows, weight = args if len(args) == 3 else (None, *args)
    (batch, entering), (reads, makes) = axes.dims(rows), axes.dims(weight)
    axes.tie(entering, reads)
    return batch, _made(axes, makes, bias)


def _made(axes: Axes, channels: int | None, bias: Tensor | None) -> int | None:
    if channels is not None:
        axes.roles[channels] = "weight"
    if bias is not None:
        axes.tie(channels, axes.dims(bias)[-1])
    return channels


def _batch_norm(axes: Axes, args: Sequence[Any], out: Tensor) -> Dims:
    """args: input, γ, β, running mean, running variance, ...; the vectors may be absent."""
    dims = axes.dims(args[0])
    axes.tie(dims[1], *(axes.dims(vector)[0] for vector in tensors_in(args[1:5])))
    if isinstance(args[1], Tensor) and (scale := axes.dims(args[1])[0]) is not None:
        axes.roles[scale] = "scale"
    return dims


Rule = Callable[[Axes, Sequence[Any], Tensor], Dims]
_RULES: dict[Rule, tuple[str, ...]] = {
    # Besides every call that torch itself tags as pointwise.
    _pointwise: ("_prelu_kernel", "hardswish", "copy", "expand"),
    _resize: ("detach", "alias", "_to_copy", "slice", "split", "split_with_sizes", "constant_pad_nd",
              "reflection_pad2d", "replication_pad2d", "avg_pool2d", "max_pool2d_with_indices",
              "_adaptive_avg_pool2d", "adaptive_max_pool2d", "upsample_nearest2d", "upsample_bilinear2d",
              "upsample_bicubic2d"),
    _reduce: ("mean", "sum", "amax", "amin", "select"),
    _reorder: ("t", "transpose", "permute"),
    _view: ("view", "_unsafe_view", "unsqueeze", "squeeze"),
    _concatenate: ("cat",),
    _convolution: ("convolution",),
    _product: ("addmm", "mm"),
    _batch_norm: ("native_batch_norm", "cudnn_batch_norm"),
}
_RULE_OF = {name: rule for rule, names in _RULES.items() for name in names}


def _rule(func: Any) -> Rule | None:
    """By the call's name, without the underscore of in-place forms."""
    name = func._overloadpacket.__name__.rstrip("_")
    return _RULE_OF.get(name, _pointwise if torch.Tag.pointwise in func.tags else None)
