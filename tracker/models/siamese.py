"""The anchor-free Siamese network: backbone, neck, depthwise correlation and head."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from tracker.errors import TrackerError
from tracker.models.correlation import DepthwiseCorrelation
from tracker.models.head import AnchorFreeHead, HeadConfig, Predictions
from tracker.models.resnet import BackboneConfig, ResNet18

# ImageNet's statistics in BGR order and 0..255, as torchvision's weights expect them.
MEAN = (103.5, 116.3, 123.7)
STD = (57.4, 57.1, 58.4)


@dataclass(frozen=True)
class SiameseConfig:
    """Every choice of the network.

    Attributes:
        backbone, head: their own choices.
        neck_channels: features that are correlated.
        template_cells: odd side of the template's centre that becomes the kernel of the correlation.
        template_size, search_size: crops, pixels.
        full_precision: patterns of module names that no plan may binarize, each with the reason.
    """

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    neck_channels: int = 256
    template_cells: int = 7
    template_size: int = 127
    search_size: int = 255
    full_precision: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.neck_channels < 1:
            raise TrackerError(f"neck_channels is {self.neck_channels}; it must be at least 1")
        if self.template_size < 1:
            raise TrackerError(f"template_size is {self.template_size}; it must be at least 1")
        if self.search_size < self.template_size:
            raise TrackerError(f"search_size is {self.search_size}; it must be at least template_size = "
                               f"{self.template_size}")
        cells = -(-self.template_size // self.backbone.stride)
        inside = self.first_cell >= 0 and self.first_cell + self.template_cells <= cells
        if self.template_cells < 1 or self.template_cells % 2 == 0 or not inside:
            raise TrackerError(f"template_cells is {self.template_cells}; it must be odd and fit around the centre of "
                               f"the template's {cells} x {cells} cells")

    @property
    def first_cell(self) -> int:
        """Row and column of the kernel's first cell. Cell i of a map looks at pixel stride * i."""
        centre = round((self.template_size - 1) / 2 / self.backbone.stride)
        return centre - self.template_cells // 2


class SiameseNetwork(nn.Module):
    """`forward` is what one frame costs; `embed` runs once, on the template.

    Crops are float or uint8 BGR in 0..255, (B, 3, size, size).
    """

    def __init__(self, config: SiameseConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = ResNet18(config.backbone)
        self.neck = nn.Sequential(
            nn.Conv2d(self.backbone.channels, config.neck_channels, 1, bias=False),
            nn.BatchNorm2d(config.neck_channels),
        )
        self.correlation = DepthwiseCorrelation()
        self.response_norm = nn.BatchNorm2d(config.neck_channels)
        self.head = AnchorFreeHead(config.neck_channels, config.backbone.stride, config.head)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    @property
    def stride(self) -> int:
        return self.backbone.stride

    @property
    def full_precision(self) -> dict[str, str]:
        """Modules that stay in full precision in every plan, with the reason."""
        predictions = {f"head.{name}": "makes a prediction" for name in ("cls", "centerness", "box")}
        return {**predictions, **self.config.full_precision}

    @property
    def prune_keep(self) -> tuple[str, ...]:
        """Patterns of modules whose output channels pruning keeps: both crops' features are correlated."""
        return ("neck.*",)

    def features(self, crops: Tensor) -> Tensor:  # (B, 3, S, S) -> (B, neck, S / stride, S / stride)
        return self.neck(self.backbone((crops - self.mean) / self.std))

    def embed(self, template: Tensor) -> Tensor:  # (B, 3, 127, 127) -> (B, neck, cells, cells)
        return self.kernel(self.features(template))

    def kernel(self, features: Tensor) -> Tensor:
        """The cells around the template's centre."""
        cells = slice(self.config.first_cell, self.config.first_cell + self.config.template_cells)
        return features[:, :, cells, cells]

    def forward(self, kernel: Tensor, search: Tensor) -> Predictions:
        return self.respond(kernel, self.features(search))

    def respond(self, kernel: Tensor, features: Tensor) -> Predictions:
        """Correlate features of the search crop with the template's kernel and read the head."""
        return self.head(self.response_norm(self.correlation(kernel, features)))

    def grid(self) -> Tensor:
        """(2, H, W) x and y of each cell's centre, pixels of the search crop, continuous coordinates."""
        cells = -(-self.config.search_size // self.stride)
        axis = torch.arange(cells, device=self.mean.device) * float(self.stride) + 0.5
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        return torch.stack((x, y))
