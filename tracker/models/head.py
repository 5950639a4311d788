"""Anchor-free head: where the target is, how central the cell, and how far the box's sides."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from b2nn.activations import ACTIVATIONS, activation
from tracker.errors import TrackerError


class Predictions(NamedTuple):
    """What the head says of each cell of a (H, W) map.

    Attributes:
        cls: (B, H, W) logits, target or not.
        centerness: (B, H, W) logits, 1 at the centre of the box and 0 at its border (FCOS, arXiv 1904.01355); None
            where the head has none.
        box: (B, 4, H, W) distances left, top, right, bottom from the cell's centre, pixels of the search crop.
    """

    cls: Tensor
    centerness: Tensor | None
    box: Tensor


@dataclass(frozen=True)
class HeadConfig:
    """Channels and depth of the two towers of 3x3 convs."""

    channels: int = 256
    depth: int = 3
    activation: str = "relu"

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise TrackerError(f"channels is {self.channels}; it must be at least 1")
        if self.depth < 1:
            raise TrackerError(f"depth is {self.depth}; it must be at least 1")
        if self.activation not in ACTIVATIONS:
            raise TrackerError(f"activation is {self.activation!r}; choose one of {', '.join(ACTIVATIONS)}")


class AnchorFreeHead(nn.Module):
    """Classification, centerness and box towers as in SiamCAR (arXiv 1911.07241) and SiamFC++ (arXiv 1911.06188)."""

    def __init__(self, inputs: int, stride: int, config: HeadConfig) -> None:
        super().__init__()
        self.stride = stride
        self.cls_tower = _tower(inputs, config)
        self.box_tower = _tower(inputs, config)
        self.cls = nn.Conv2d(config.channels, 1, 3, 1, 1)
        self.centerness = nn.Conv2d(config.channels, 1, 3, 1, 1)
        self.box = nn.Conv2d(config.channels, 4, 3, 1, 1)
        for conv in (self.cls, self.centerness, self.box):
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.zeros_(conv.bias)
        # A new head predicts boxes of about the template's target: 64 pixels, 2 cells of 16 to each side.
        nn.init.constant_(self.box.bias, 0.7)

    def forward(self, response: Tensor) -> Predictions:  # (B, inputs, H, W)
        cls, box = self.cls_tower(response), self.box_tower(response)
        # Distances in float32 and bounded, lest one early step overflow the exponential.
        distances = torch.exp(self.box(box).float().clamp(-4.0, 4.0)) * self.stride
        return Predictions(
            cls=self.cls(cls).float()[:, 0],
            centerness=self.centerness(box).float()[:, 0],
            box=distances,
        )


def _tower(inputs: int, config: HeadConfig) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for index in range(config.depth):
        channels = inputs if index == 0 else config.channels
        layers[f"conv{index}"] = nn.Conv2d(channels, config.channels, 3, 1, 1, bias=False)
        layers[f"bn{index}"] = nn.BatchNorm2d(config.channels)
        layers[f"act{index}"] = activation(config.activation, config.channels)
    return nn.Sequential(layers)
