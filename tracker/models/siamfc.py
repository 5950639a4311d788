"""SiamFC (arXiv 1606.09549): AlexNet and plain cross-correlation, named as in the siamfc-pytorch project.

Its published checkpoints load with the same keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from tracker.errors import TrackerError
from tracker.models.correlation import PlainCorrelation

SMALLEST_TEMPLATE = 87  # pixels, of which the unpadded convs leave one cell


@dataclass(frozen=True)
class SiamFCConfig:
    """Sizes of the crops, and patterns of modules that no plan may binarize, each with the reason."""

    template_size: int = 127
    search_size: int = 255
    full_precision: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.template_size < SMALLEST_TEMPLATE:
            raise TrackerError(f"template_size is {self.template_size}; it must be at least {SMALLEST_TEMPLATE}")
        if self.search_size < self.template_size:
            raise TrackerError(f"search_size is {self.search_size}; it must be at least template_size = "
                               f"{self.template_size}")


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-6, momentum=0.05)


class AlexNetV1(nn.Module):
    """Five unpadded convs, two max poolings, stride 8: 127 pixels give 6x6 cells, 255 give 22x22."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(3, 96, 11, 2), _norm(96), nn.ReLU(), nn.MaxPool2d(3, 2))
        self.conv2 = nn.Sequential(nn.Conv2d(96, 256, 5, 1, groups=2), _norm(256), nn.ReLU(), nn.MaxPool2d(3, 2))
        self.conv3 = nn.Sequential(nn.Conv2d(256, 384, 3, 1), _norm(384), nn.ReLU())
        self.conv4 = nn.Sequential(nn.Conv2d(384, 384, 3, 1, groups=2), _norm(384), nn.ReLU())
        self.conv5 = nn.Sequential(nn.Conv2d(384, 256, 3, 1, groups=2))

    @property
    def stages(self) -> tuple[str, ...]:
        """Modules whose outputs are the maps of the stages, in order; the last one's are the features."""
        return ("conv1", "conv2", "conv3", "conv4")

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, S, S) -> (B, 256, cells, cells)
        return self.conv5(self.conv4(self.conv3(self.conv2(self.conv1(x)))))


class SiamFC(nn.Module):
    """`forward` is what one frame costs; `embed` runs once. Crops are BGR in 0..255; the weights expect RGB."""

    stride = 8

    def __init__(self, config: SiamFCConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = AlexNetV1()
        self.head = PlainCorrelation()
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    @property
    def full_precision(self) -> dict[str, str]:
        """Modules that stay in full precision in every plan, with the reason."""
        return dict(self.config.full_precision)

    @property
    def prune_keep(self) -> tuple[str, ...]:
        """Patterns of modules whose output channels pruning keeps: none."""
        return ()

    def features(self, crops: Tensor) -> Tensor:
        return self.backbone(crops.flip(1).float())

    def embed(self, template: Tensor) -> Tensor:  # (B, 3, 127, 127) -> (B, 256, 6, 6)
        return self.features(template)

    def forward(self, kernel: Tensor, search: Tensor) -> Tensor:  # -> (B, 17, 17) logits
        return self.respond(kernel, self.features(search))

    def respond(self, kernel: Tensor, features: Tensor) -> Tensor:
        """Correlate features of the search crop with the template's."""
        return self.head(kernel, features)[:, 0]
