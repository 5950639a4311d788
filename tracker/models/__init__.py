"""Networks, built from the `model` field of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from b2nn.cost import CostTable, profile
from tracker.errors import TrackerError
from tracker.models.head import HeadConfig, Predictions
from tracker.models.nanotrack import NanoTrack, NanoTrackConfig
from tracker.models.resnet import BackboneConfig
from tracker.models.siamese import SiameseConfig, SiameseNetwork
from tracker.models.siamfc import SiamFC, SiamFCConfig
from tracker.typed import typed

Network = SiameseNetwork | NanoTrack | SiamFC
# By `type` of the `model` field.
TYPES = {"siamese": (SiameseNetwork, SiameseConfig), "nanotrack": (NanoTrack, NanoTrackConfig),
         "siamfc": (SiamFC, SiamFCConfig)}

__all__ = ["TYPES", "BackboneConfig", "HeadConfig", "NanoTrack", "NanoTrackConfig", "Network", "Predictions", "SiamFC",
           "SiamFCConfig", "SiameseConfig", "SiameseNetwork", "build_network", "cost_table", "example_inputs"]


def build_network(model: Mapping[str, Any]) -> Network:
    """The network that `model` (``type`` siamese, nanotrack or siamfc, and that type's fields) describes.

    Raises:
        TrackerError: an unknown type, field or value; the message names it.
    """
    options = dict(model)
    kind = options.pop("type", "siamese")
    if kind not in TYPES:
        raise TrackerError(f"model.type is {kind!r}; choose one of {', '.join(TYPES)}")
    network, config = TYPES[kind]
    return network(typed(config, options, "model"))


def example_inputs(network: Network) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs of one `forward`: the template's kernel and a search crop, batch 1, on the network's device."""
    device = next(network.parameters()).device
    training = network.training
    network.eval()
    with torch.no_grad():
        kernel = network.embed(torch.zeros(1, 3, *[network.config.template_size] * 2, device=device))
    network.train(training)
    return kernel, torch.zeros(1, 3, *[network.config.search_size] * 2, device=device)


def cost_table(network: Network) -> CostTable:
    """What one `update` costs, unit by unit."""
    return profile(network, *example_inputs(network), exclude=network.full_precision)
