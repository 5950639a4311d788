"""Whether a packed network computes what the network that it was made from does, and how far off it is."""

from __future__ import annotations

import statistics
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from b2nn.layers import BinaryUnit
from b2nn.packed import PackedNetwork, reference
from b2nn.packed.program import Conv
from tracker.errors import TrackerError
from tracker.export.onnx_graphs import named_maps
from tracker.export.settled import TOLERANCE, Settled, settled_by
from tracker.models import Network
from tracker.packed import PackedTrackerNetwork
from tracker.packed_layers import conv_halves

Crops = tuple[Tensor, Tensor]  # a template and search crops
_NOISE = 8


@dataclass(frozen=True)
class Agreement:
    """What was found on some crops; differences are shares of a map's largest value.

    Attributes:
        crops: how many.
        bits: inputs of binary layers that were compared.
        flipped: how many of them lie within rounding of their threshold and fall on its other side.
        besides: greatest difference of the maps, once the unpacked network takes over these bits.
        differences: of the maps as they are, one a crop.
    """

    crops: int
    bits: int
    flipped: int
    besides: float
    differences: tuple[float, ...]

    def lines(self) -> list[str]:
        """For people."""
        median, most = statistics.median(self.differences), max(self.differences)
        if not self.bits:
            return [f"checked on {self.crops} crops against the unpacked network, in which nothing is binary: "
                    f"maps differ by {self.besides:.1e} of the largest value"]
        return [f"checked on {self.crops} crops against the unpacked network: of {self.bits:,} binary inputs "
                f"{self.flipped:,} lie within rounding of their threshold and fall on its other side",
                f"maps differ by {self.besides:.1e} of the largest value without these; with them by {median:.1e} "
                f"(median over crops) to {most:.1e}"]


def noise(network: Network) -> list[Crops]:
    """Some crops without any meaning, the same ones every time."""
    generator = torch.Generator().manual_seed(0)
    template, search = network.config.template_size, network.config.search_size
    return [(torch.rand((1, 3, template, template), generator=generator) * 255,
             torch.rand((1, 3, search, search), generator=generator) * 255) for _ in range(_NOISE)]


@torch.inference_mode()
def check_packed(network: Network, packed: PackedNetwork, crops: Sequence[Crops]) -> Agreement:
    """Run both on the same crops.

    Bits are compared in the packed program as plain torch runs it; `differences` are those of what runs here.

    Args:
        packed: in float32.

    Raises:
        TrackerError: they differ by more than rounding.
    """
    ready, bits, flipped, besides, differences = PackedTrackerNetwork(packed), 0, 0, 0.0, []
    for template, search in crops:
        kernel, embedded, first = _settled(network, packed, "embed", (template,), network.embed)
        features, extracted, second = _settled(network, packed, "features", (search,), network.features)
        _, answered, third = _settled(network, packed, "respond", (kernel, features), network.respond)
        for settled in (first, second, third):
            bits, flipped = bits + settled.bits, flipped + settled.flipped
        besides = max(besides, embedded, extracted, answered)
        differences.append(difference(ready(ready.embed(template), search),
                                      network(network.embed(template), search)))
    return Agreement(len(crops), bits, flipped, besides, tuple(differences))


def difference(found: Any, wanted: Any) -> float:
    """Greatest difference of maps, as a share of the largest value of each."""
    pairs = zip(named_maps(found).values(), named_maps(wanted).values(), strict=True)
    return max(float((own - truth).abs().max() / truth.abs().max().clamp(min=1e-30)) for own, truth in pairs)


def relative_errors(network: Network, packed: PackedNetwork, crops: Sequence[Crops]) -> dict[str, float]:
    """Root mean square of what packing changes in each map, as a share of that of the map."""
    ready, sums = PackedTrackerNetwork(packed), defaultdict(lambda: [0.0, 0.0])
    with torch.inference_mode():
        for template, search in crops:
            wanted = named_maps(network(network.embed(template), search))
            for name, own in named_maps(ready(ready.embed(template), search)).items():
                sums[name][0] += float((own - wanted[name]).square().sum())
                sums[name][1] += float(wanted[name].square().sum())
    return {name: (error / of) ** 0.5 for name, (error, of) in sums.items()}


def _settled(network: Network, packed: PackedNetwork, method: str, inputs: tuple[Tensor, ...], call: Any
             ) -> tuple[Any, float, Settled]:
    """What the packed method answers, its difference to the network's with the same bits, and these."""
    layers = {id(step): half.layer for half, step in conv_halves(network, packed.programs, (method,))}
    waiting: dict[str, deque[Tensor]] = defaultdict(deque)
    known: set[tuple[str, str]] = set()  # a layer may be several convs of one source

    def on_step(step: Any, values: dict[str, Any]) -> None:
        if isinstance(step, Conv) and step.threshold is not None and (layers[id(step)], step.source) not in known:
            known.add((layers[id(step)], step.source))
            x = values[step.source]
            waiting[layers[id(step)]].append(x >= step.threshold.view((-1,) if step.linear else (-1, 1, 1)))

    found = reference.run(packed.programs[method], inputs, on_step)
    names = {id(module): name.removesuffix(".binary") if name not in waiting else name
             for name, module in _binary_units(network)}
    with settled_by(network, lambda unit: waiting[names[id(unit)]].popleft(), "the packed network's") as settled:
        wanted = call(*inputs)
    found = found if isinstance(found, Tensor) else type(wanted)(*found)
    worst = difference(found, wanted)
    if not worst <= TOLERANCE:
        raise TrackerError(f"the packed network's {method} differs from the network's by {worst:.1e} of its largest "
                           f"value, more than {TOLERANCE:g}; nothing is written")
    return found, worst, settled


def _binary_units(network: nn.Module) -> list[tuple[str, BinaryUnit]]:
    return [(name, module) for name, module in network.named_modules() if isinstance(module, BinaryUnit)]
