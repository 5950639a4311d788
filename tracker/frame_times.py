"""Where the time of a frame goes, layer by layer, in the packed network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import torch

from b2nn.cost import CostTable
from b2nn.packed.program import Conv
from b2nn.step_times import step_times
from tracker.packed import PackedTrackerNetwork
from tracker.packed_layers import Half, by_unit


def unit_seconds(packed: PackedTrackerNetwork, convs: Collection[tuple[Half, Conv]], table: CostTable,
                 full: Collection[str]) -> dict[str, float]:
    """Seconds that each unit takes in one frame, with all that is folded into it, and under ``""`` everything else.

    Together they are the time of the network as it always runs.

    Args:
        convs: of `tracker.packed_layers.conv_halves`.
        table, full: as of `tracker.packed_layers.by_unit`.
    """
    template, search = (torch.full((1, 3, size, size), 128.0).contiguous(memory_format=torch.channels_last)
                        for size in (packed.config.template_size, packed.config.search_size))
    times = step_times(packed.packed.programs["forward"], (packed.embed(template), search))
    spent: dict[Half, float] = defaultdict(float)
    for weight, half in {id(step.weight): half for half, step in convs}.items():
        spent[half] += times.convs[weight]
    seconds = by_unit(spent, table, full)
    return {**seconds, "": max(0.0, times.whole - sum(seconds.values()))}
