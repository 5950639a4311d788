"""NanoTrack, versions 2 and 3, and the same head on other backbones.

Written after the published weights and ONNX graphs (github HonglinChu/SiamTrackers, Apache-2.0). The trunk is
MobileNetV3-small (arXiv 1905.02244) cut at stride 16; the head compares every search cell with every template cell
(pixel-wise correlation, arXiv 2004.13922), version 3 also channel by channel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from b2nn.activations import ACTIVATIONS, activation
from tracker.errors import TrackerError
from tracker.models.head import Predictions
from tracker.models.resnet import BackboneConfig, ResNet18
from tracker.models.siamese import MEAN, STD

STRIDE = 16
TEMPLATE_CELLS = 8  # side of the template's map: 127 pixels
FEATURES = {2: 48, 3: 96}  # channels that are correlated, by version
TOWERS = ("separable", "plain")
_EXPAND = 96  # channels of the published towers


@dataclass(frozen=True)
class NanoTrackConfig:
    """Every choice of the network; the defaults are NanoTrack's own.

    Attributes:
        version: 2 or 3.
        backbone: a ResNet at stride 16 with a 1x1 neck in the place of NanoTrack's trunk; None is that trunk.
        tower: ``separable`` (a depthwise and a 1x1 conv, as published) or ``plain`` 3x3 convs, which bits make cheap.
        channels, depth: of the two towers.
        activation: of plain towers; the published ones have ReLU6.
        template_size, search_size: crops, pixels.
        full_precision: patterns of module names that no plan may binarize, each with the reason.
    """

    version: int = 2
    backbone: BackboneConfig | None = None
    tower: str = "separable"
    channels: int = _EXPAND
    depth: int = 6
    activation: str = "prelu"
    template_size: int = 127
    search_size: int = 255
    full_precision: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.version not in FEATURES:
            raise TrackerError(f"version is {self.version}; choose 2 or 3")
        if self.backbone is not None and self.backbone.stride != STRIDE:
            raise TrackerError(f"backbone.stride is {self.backbone.stride}; NanoTrack's head needs {STRIDE}")
        if self.tower not in TOWERS:
            raise TrackerError(f"tower is {self.tower!r}; choose one of {', '.join(TOWERS)}")
        for name in ("channels", "depth"):
            if getattr(self, name) < 1:
                raise TrackerError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.activation not in ACTIVATIONS:
            raise TrackerError(f"activation is {self.activation!r}; choose one of {', '.join(ACTIVATIONS)}")
        if -(-self.template_size // STRIDE) != TEMPLATE_CELLS:
            raise TrackerError(f"template_size is {self.template_size}; NanoTrack's head compares with "
                               f"{TEMPLATE_CELLS} x {TEMPLATE_CELLS} cells, so it must be 113 to 128")
        if self.search_size < self.template_size:
            raise TrackerError(f"search_size is {self.search_size}; it must be at least template_size = "
                               f"{self.template_size}")


class NanoTrack(nn.Module):
    """`forward` is what one frame costs; `embed` runs once, on the template.

    Crops are float or uint8 BGR in 0..255, (B, 3, size, size).
    """

    stride = STRIDE

    def __init__(self, config: NanoTrackConfig) -> None:
        super().__init__()
        self.config = config
        features = FEATURES[config.version]
        own = config.backbone is None
        self.backbone = MobileTrunk(config.version) if own else ResNet18(config.backbone)
        self.neck = nn.Identity() if own else nn.Sequential(
            nn.Conv2d(self.backbone.channels, features, 1, bias=False), nn.BatchNorm2d(features))
        self.cls = Branch(config, 2)
        self.box = Branch(config, 4)
        # NanoTrack's trunk takes pixels as they are.
        mean, std = ((0.0,) * 3, (1.0,) * 3) if own else (MEAN, STD)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    @property
    def full_precision(self) -> dict[str, str]:
        """Modules that stay in full precision in every plan, with the reason."""
        fixed = {}
        for branch in ("cls", "box"):
            correlated = ["pixel.kernel.0", "pixel.search.0", *(["channel.*"] if self.config.version == 3 else [])]
            fixed |= {f"{branch}.{name}": "its features are correlated" for name in correlated}
            fixed[f"{branch}.pixel.attention.*"] = "weighs channels: too small to matter"
            fixed[f"{branch}.predict"] = "makes a prediction"
        return {**fixed, **self.config.full_precision}

    @property
    def prune_keep(self) -> tuple[str, ...]:
        """Patterns of modules whose output channels pruning keeps: both crops' features are correlated."""
        features = "neck.*" if self.config.backbone else f"backbone.features.{len(self.backbone.features) - 1}.conv.*"
        return (features, "*.pixel.*", *(["*.channel.*"] if self.config.version == 3 else []))

    def features(self, crops: Tensor) -> Tensor:  # (B, 3, S, S) -> (B, features, S / 16, S / 16)
        return self.neck(self.backbone((crops - self.mean) / self.std))

    def embed(self, template: Tensor) -> Tensor:  # (B, 3, 127, 127) -> (B, features, 8, 8)
        return self.features(template)

    def forward(self, kernel: Tensor, search: Tensor) -> Predictions:
        return self.respond(kernel, self.features(search))

    def respond(self, kernel: Tensor, features: Tensor) -> Predictions:
        """Compare features of the search crop with the template's and read both branches."""
        background, target = self.cls(kernel, features).float().unbind(1)
        # Distances in float32 and bounded, lest one early step overflow the exponential; half a kilopixel is plenty.
        box = self.box(kernel, features).float().clamp(max=6.25).exp()
        return Predictions(cls=target - background, centerness=None, box=box)

    def grid(self) -> Tensor:
        """(2, H, W) x and y of each cell's centre, pixels of the search crop, continuous coordinates."""
        cells = -(-self.config.search_size // STRIDE) - (self.config.version == 3)
        axis = (torch.arange(cells, device=self.mean.device) - cells // 2) * float(STRIDE) + self.config.search_size / 2
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        return torch.stack((x, y))


class Branch(nn.Module):
    """What one task makes of template and search features; version 3 has the parts `channel` and `reduce`."""

    def __init__(self, config: NanoTrackConfig, outputs: int) -> None:
        super().__init__()
        features, cells = FEATURES[config.version], TEMPLATE_CELLS**2
        both = config.version == 3
        self.pixel = PixelCorrelation(features, shrink=both)
        self.channel = ChannelCorrelation(features) if both else None
        self.reduce = nn.Conv2d(cells + features, config.channels, 1) if both else None
        inputs = config.channels if both else cells
        make = _plain_tower if config.tower == "plain" else _separable_tower3 if both else _separable_tower2
        self.tower = make(inputs, config)
        self.predict = nn.Conv2d(config.channels, outputs, 1)

    def forward(self, kernel: Tensor, search: Tensor) -> Tensor:  # (B, C, 8, 8), (B, C, H, W) -> (B, outputs, H', W')
        response = self.pixel(kernel, search)
        if self.channel is not None:
            response = self.reduce(torch.cat((response, self.channel(kernel, search)), 1))
        return self.predict(self.tower(response))


class PixelCorrelation(nn.Module):
    """Similarity of every search cell with every template cell, weighted by channel attention."""

    def __init__(self, channels: int, shrink: bool) -> None:
        super().__init__()
        cells = TEMPLATE_CELLS**2
        self.kernel, self.search = _conv_norm(channels), _conv_norm(channels)
        self.attention = Attention(cells)
        self.shrink = nn.Sequential(
            nn.Conv2d(cells, cells, 2, groups=cells, bias=False), nn.BatchNorm2d(cells), nn.ReLU6(), _conv_norm(cells),
        ) if shrink else nn.Identity()

    def forward(self, kernel: Tensor, search: Tensor) -> Tensor:  # (B, C, 8, 8), (B, C, H, W) -> (B, 64, H', W')
        kernel, search = self.kernel(kernel).flatten(2), self.search(search)
        response = (kernel.transpose(1, 2) @ search.flatten(2)).unflatten(2, search.shape[2:])
        return self.shrink(self.attention(response))


class ChannelCorrelation(nn.Module):
    """Every channel of the search features with the same channel of the template's 4 x 4 centre."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.kernel, self.search = _conv_norm(channels), _conv_norm(channels)

    def forward(self, kernel: Tensor, search: Tensor) -> Tensor:  # (B, C, 8, 8), (B, C, H, W) -> (B, C, H - 1, W - 1)
        batch, channels = search.shape[:2]
        kernel = self.kernel(kernel[:, :, 2:6, 2:6]).flatten(0, 1)[:, None]
        maps = self.search(search).flatten(0, 1)
        response = F.conv2d(maps[None], kernel, padding=1, groups=batch * channels)
        return response[0].unflatten(0, (batch, channels))


class Attention(nn.Module):
    """Weights of the channels, from their means (arXiv 1709.01507)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))).sigmoid()


def _conv_norm(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels))


def _separable_tower2(inputs: int, config: NanoTrackConfig) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index in range(config.depth):
        channels = config.channels if index else inputs
        layers += [nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False),
                   nn.Conv2d(channels, config.channels, 1, bias=False), nn.BatchNorm2d(config.channels), nn.ReLU6()]
    return nn.Sequential(*layers)


def _separable_tower3(channels: int, config: NanoTrackConfig) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(config.depth):
        layers += [nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False), nn.BatchNorm2d(channels),
                   nn.ReLU6(), nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)]
    return nn.Sequential(*layers)


class PlainLayer(nn.Module):
    """A 3x3 conv with a shortcut of its own where the channels allow, which binary convs need."""

    def __init__(self, inputs: int, outputs: int, kind: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.act = activation(kind, outputs)
        self.shortcut = inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn(self.conv(x))
        return self.act(y + x if self.shortcut else y)


def _plain_tower(inputs: int, config: NanoTrackConfig) -> nn.Sequential:
    channels = [inputs, *[config.channels] * config.depth]
    return nn.Sequential(*(PlainLayer(a, b, config.activation) for a, b in pairwise(channels)))


@dataclass(frozen=True)
class _Block:
    """An inverted residual: channels inside and out, kernel, stride, channels of its squeeze, hard swish or ReLU."""

    inside: int
    outputs: int
    kernel: int
    stride: int
    squeeze: int
    swish: bool


_BLOCKS = (
    _Block(16, 16, 3, 2, 8, False),
    _Block(72, 24, 3, 2, 0, False),
    _Block(88, 24, 3, 1, 0, False),
    _Block(96, 40, 5, 2, 24, True),
    _Block(240, 40, 5, 1, 64, True),
    _Block(240, 40, 5, 1, 64, True),
    _Block(120, 48, 5, 1, 32, True),
    _Block(144, 48, 5, 1, 40, True),
    _Block(288, 96, 5, 1, 72, True),  # of version 3 only
)


class MobileTrunk(nn.Module):
    """MobileNetV3-small up to stride 16."""

    def __init__(self, version: int) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.Hardswish())
        blocks = _BLOCKS if version == 3 else _BLOCKS[:-1]
        inputs = (16, *(block.outputs for block in blocks))
        self.features = nn.Sequential(stem, *map(InvertedResidual, inputs, blocks))
        self.channels = blocks[-1].outputs

    @property
    def stages(self) -> tuple[str, ...]:
        """Modules whose outputs are the maps of the stages, in order: the last at each stride before the features."""
        return ("features.1", "features.3")

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, H, W) -> (B, channels, ceil(H / 16), ceil(W / 16))
        return self.features(x)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, weigh the channels, project (arXiv 1801.04381, 1905.02244)."""

    def __init__(self, inputs: int, block: _Block) -> None:
        super().__init__()
        act = nn.Hardswish if block.swish else nn.ReLU
        squeeze = SqueezeExcite(block.inside, block.squeeze) if block.squeeze else nn.Identity()
        filters = [nn.Conv2d(block.inside, block.inside, block.kernel, block.stride, block.kernel // 2,
                             groups=block.inside, bias=False), nn.BatchNorm2d(block.inside)]
        project = [nn.Conv2d(block.inside, block.outputs, 1, bias=False), nn.BatchNorm2d(block.outputs)]
        if inputs == block.inside:  # nothing to expand
            layers = [*filters, act(), squeeze, *project]
        else:
            expand = [nn.Conv2d(inputs, block.inside, 1, bias=False), nn.BatchNorm2d(block.inside), act()]
            layers = [*expand, *filters, squeeze, act(), *project]
        self.conv = nn.Sequential(*layers)
        self.shortcut = inputs == block.outputs and block.stride == 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.shortcut else self.conv(x)


class SqueezeExcite(nn.Module):
    """Weights of the channels, from their means (arXiv 1709.01507)."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(channels, squeeze), nn.ReLU(), nn.Linear(squeeze, channels), nn.Hardsigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


def rename_published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a published checkpoint (its `state_dict`) by this module's names; its unused neck is dropped."""
    parts = {"corr_pw_cls": "cls.pixel", "corr_pw_reg": "box.pixel", "corr_dw_cls": "cls.channel",
             "corr_dw_reg": "box.channel", "down_cls.0": "cls.reduce", "down_reg.0": "box.reduce",
             "cls_pw_tower": "cls.tower", "bbox_pw_tower": "box.tower", "cls_tower": "cls.tower",
             "bbox_tower": "box.tower", "cls_pred.0": "cls.predict", "cls_logits.0": "cls.predict",
             "bbox_pred.0": "box.predict"}
    inside = {".conv_kernel.": ".kernel.", ".conv_search.": ".search.", ".CA_layer.": ".attention.",
              ".pixel.conv.3.": ".pixel.shrink.3.0.", ".pixel.conv.4.": ".pixel.shrink.3.1.",
              ".pixel.conv.": ".pixel.shrink."}
    renamed = {}
    for key, value in state.items():
        if key.startswith("neck."):
            continue
        name = key.removeprefix("ban_head.")
        for old, new in parts.items():
            if name.startswith(f"{old}."):
                name = new + name[len(old):]
                break
        for old, new in inside.items():
            name = name.replace(old, new)
        renamed[name] = value
    return renamed
