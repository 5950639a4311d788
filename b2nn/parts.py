"""Parts of a layer: runs of its output channels, each of them binary or in full precision by itself.

A part is called by its layer and its channels, end exclusive as in Python: ``layer2.0.conv1[0:16]``. So the names in a
plan tell how it divides every layer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from b2nn.errors import PlanError

_NAME = re.compile(r"(.*)\[(\d+):(\d+)\]")


class Part(NamedTuple):
    """Output channels `first` to `end` (exclusive) of a layer; the whole layer where `end` is None."""

    layer: str
    first: int = 0
    end: int | None = None

    @property
    def name(self) -> str:
        return self.layer if self.end is None else f"{self.layer}[{self.first}:{self.end}]"

    @property
    def rows(self) -> slice:
        """Which rows of the layer's weight are this part's."""
        return slice(self.first, self.end)


def parse(name: str) -> Part:
    """The part called `name`; a whole layer unless it ends in ``[first:end]``."""
    match = _NAME.fullmatch(name)
    return Part(match[1], int(match[2]), int(match[3])) if match else Part(name)


def by_layer(names: Iterable[str]) -> dict[str, list[Part]]:
    """The parts called `names`, in their order, by layer."""
    layers: dict[str, list[Part]] = {}
    for part in map(parse, names):
        layers.setdefault(part.layer, []).append(part)
    return layers


def equal_parts(layer: str, channels: int, block: int, count: int) -> list[Part]:
    """`count` parts of a layer that differ by one block at most, or as many as there can be.

    Args:
        channels: of the output.
        block: consecutive channels that stay together, see `Unit.block`; divides `channels`.
    """
    blocks = channels // block
    count = min(count, blocks)
    if count <= 1:
        return [Part(layer)]
    bounds = [blocks * place // count * block for place in range(count + 1)]
    return [Part(layer, first, end) for first, end in pairwise(bounds)]


def check_parts(parts: Sequence[Part], channels: int, block: int) -> None:
    """`PlanError` unless `parts`, all of one layer, hold each of its channels once and cut through no block."""
    layer = parts[0].layer
    if any(part.end is None for part in parts):
        if len(parts) > 1:
            raise PlanError(f"plan names layer {layer!r} whole and in parts; name it whole or by its parts")
        return
    decided = 0
    for part in sorted(parts):
        first, end = part.first, part.end or 0
        if not first < end <= channels:
            raise PlanError(f"plan names {part.name}, but the channels of layer {layer!r} are [0:{channels}]")
        if first % block or end % block:
            raise PlanError(f"plan names {part.name}, which cuts through a group of {block} channels")
        if first < decided:
            raise PlanError(f"plan names {part.name}, which overlaps another part of layer {layer!r}")
        if first > decided:
            raise _undecided(layer, decided, first)
        decided = end
    if decided < channels:
        raise _undecided(layer, decided, channels)


def _undecided(layer: str, first: int, end: int) -> PlanError:
    return PlanError(f"plan does not decide about {Part(layer, first, end).name}; name every channel of a layer once")
