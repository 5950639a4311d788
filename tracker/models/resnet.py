"""ResNet-18's stages 1 to 3 as the tracker's backbone, with torchvision's parameter names."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn

from b2nn.activations import ACTIVATIONS, activation
from tracker.errors import TrackerError

STEMS = ("resnet", "light")
SHORTCUTS = ("block", "conv")


@dataclass(frozen=True)
class BackboneConfig:
    """The one backbone's choices.

    Attributes:
        width: multiplier of ResNet-18's 64, 128 and 256 channels.
        stride: 8 or 16, pixels of the crop per cell of the feature map.
        stem: ``resnet`` (7x7 stride 2, then 3x3 max pooling; 15 % of the MACs at half width) or ``light``
            (3x3 stride 2 to half the channels, then a grouped 3x3 stride 2; 2 %).
        shortcut: around every ``block`` of two convs as in ResNet, or around every ``conv`` as in Bi-Real Net
            (arXiv 1808.00278), which binary convs need to keep the real-valued signal alive.
        activation: ``relu``, ``prelu``, ``rprelu`` or ``binrelu``.
    """

    width: float = 1.0
    stride: int = 8
    stem: str = "resnet"
    shortcut: str = "block"
    activation: str = "relu"

    def __post_init__(self) -> None:
        if self.stride not in (8, 16):
            raise TrackerError(f"stride is {self.stride}; choose 8 or 16")
        if self.stem not in STEMS:
            raise TrackerError(f"stem is {self.stem!r}; choose one of {', '.join(STEMS)}")
        if self.shortcut not in SHORTCUTS:
            raise TrackerError(f"shortcut is {self.shortcut!r}; choose one of {', '.join(SHORTCUTS)}")
        if not 0 < self.width <= 4:
            raise TrackerError(f"width is {self.width}; choose a multiplier in (0, 4]")
        if self.activation not in ACTIVATIONS:
            raise TrackerError(f"activation is {self.activation!r}; choose one of {', '.join(ACTIVATIONS)}")


class Block(nn.Module):
    """Two 3x3 convs with one shortcut around both, or one around each."""

    def __init__(self, inputs: int, outputs: int, stride: int, config: BackboneConfig) -> None:
        super().__init__()
        self.shortcut_per_conv = config.shortcut == "conv"
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.act1 = activation(config.activation, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.act2 = activation(config.activation, outputs)
        self.downsample = None
        if inputs != outputs or stride != 1:
            self.downsample = _projection(inputs, outputs, stride, pooled=self.shortcut_per_conv)

    def forward(self, x: Tensor) -> Tensor:  # (B, inputs, H, W) -> (B, outputs, H / stride, W / stride)
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.bn1(self.conv1(x))
        if self.shortcut_per_conv:
            y = shortcut = self.act1(y + shortcut)
        else:
            y = self.act1(y)
        return self.act2(self.bn2(self.conv2(y)) + shortcut)


def _projection(inputs: int, outputs: int, stride: int, pooled: bool) -> nn.Sequential:
    """1x1 shortcut; `pooled` averages before it instead of dropping three cells of four."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if pooled and stride > 1:
        # Odd maps keep their last column, as they do in the strided conv beside it.
        layers["pool"] = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
        stride = 1
    layers["0"] = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
    layers["1"] = nn.BatchNorm2d(outputs)
    return nn.Sequential(layers)


class ResNet18(nn.Module):
    """Stages 1 to 3 of ResNet-18 (arXiv 1512.03385).

    With the ``resnet`` stem, block shortcuts and width 1 the names and shapes are torchvision's.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        widths = [max(8, round(base * config.width / 8) * 8) for base in (64, 128, 256)]
        self.stride, self.channels = config.stride, widths[-1]
        if config.stem == "resnet":
            self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(widths[0])
            self.act1 = activation(config.activation, widths[0])
            self.reduce = nn.MaxPool2d(3, 2, 1)
        else:
            half = widths[0] // 2
            self.conv1 = nn.Conv2d(3, half, 3, 2, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(half)
            self.act1 = activation(config.activation, half)
            self.reduce = nn.Sequential(OrderedDict(
                conv=nn.Conv2d(half, widths[0], 3, 2, 1, groups=half, bias=False),
                bn=nn.BatchNorm2d(widths[0]),
                act=activation(config.activation, widths[0]),
            ))
        self.layer1 = _stage(widths[0], widths[0], 1, config)
        self.layer2 = _stage(widths[0], widths[1], 2, config)
        self.layer3 = _stage(widths[1], widths[2], config.stride // 8, config)
        _initialize(self)

    @property
    def stages(self) -> tuple[str, ...]:
        """Modules whose outputs are the maps of the stages, in order."""
        return ("layer1", "layer2", "layer3")

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, H, W) -> (B, channels, ceil(H / stride), ceil(W / stride))
        x = self.reduce(self.act1(self.bn1(self.conv1(x))))
        return self.layer3(self.layer2(self.layer1(x)))

    def load_torchvision(self, state: dict[str, Tensor]) -> None:
        """Take the official ResNet-18 weights; `layer4` and `fc` are not used here.

        Raises:
            TrackerError: a parameter is missing or has another shape.
        """
        state = {key: value for key, value in state.items() if not key.startswith(("layer4.", "fc."))}
        if "conv1.weight" in state:
            state["conv1.weight"] = state["conv1.weight"].flip(1)  # torchvision reads RGB, this network BGR
        own = self.state_dict()
        for key, value in own.items():
            if key.endswith(("num_batches_tracked",)) or ".act" in key or key.startswith("act1"):
                continue
            if key not in state:
                raise TrackerError(f"the weights lack {key!r}; the backbone must have stem 'resnet'")
            if state[key].shape != value.shape:
                raise TrackerError(f"{key!r} is {tuple(state[key].shape)}, the backbone needs "
                                   f"{tuple(value.shape)}; width must be 1 and stem 'resnet'")
        self.load_state_dict({key: state[key] for key in own if key in state}, strict=False)


def _stage(inputs: int, outputs: int, stride: int, config: BackboneConfig) -> nn.Sequential:
    return nn.Sequential(Block(inputs, outputs, stride, config), Block(outputs, outputs, 1, config))


def _initialize(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
