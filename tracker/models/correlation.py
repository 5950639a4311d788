"""Cross-correlation of template and search features."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class DepthwiseCorrelation(nn.Module):
    """Every channel of the search features is correlated with the same channel of the template's (arXiv 1812.11703).

    The search map is padded with zeros so that each of its cells gets a response.
    """

    def forward(self, template: Tensor, search: Tensor) -> Tensor:  # (B, C, k, k), (B, C, H, W) -> (B, C, H, W)
        batch, channels, size, _ = template.shape
        kernel, maps = template.float().flatten(0, 1)[:, None], search.float().flatten(0, 1)
        response = F.conv2d(maps[None], kernel, padding=size // 2, groups=batch * channels)
        return response[0].unflatten(0, (batch, channels))


class PlainCorrelation(nn.Module):
    """SiamFC's: the whole template slides over the search features, no padding (arXiv 1606.09549)."""

    def __init__(self, scale: float = 1e-3) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, template: Tensor, search: Tensor) -> Tensor:  # (T, C, k, k), (B, C, H, W) -> (B, 1, H', W')
        # Search crop i belongs to template i modulo T: to the one of all, or each to its own.
        templates = template.shape[0]
        maps = search.unflatten(0, (-1, templates)).flatten(1, 2)  # (B / T, T C, H, W)
        return F.conv2d(maps, template, groups=templates).flatten(0, 1)[:, None] * self.scale
