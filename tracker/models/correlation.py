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
        kernel = template.float().reshape(batch * channels, 1, size, size)
        maps = search.float().reshape(1, batch * channels, *search.shape[2:])
        response = F.conv2d(maps, kernel, padding=size // 2, groups=batch * channels)
        return response.reshape(batch, channels, *response.shape[2:])


class PlainCorrelation(nn.Module):
    """SiamFC's: the whole template slides over the search features, no padding (arXiv 1606.09549)."""

    def __init__(self, scale: float = 1e-3) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, template: Tensor, search: Tensor) -> Tensor:  # (T, C, k, k), (B, C, H, W) -> (B, 1, H', W')
        batch, channels, height, width = search.shape
        if template.shape[0] == 1:
            return F.conv2d(search, template) * self.scale
        maps = search.reshape(1, batch * channels, height, width)
        response = F.conv2d(maps, template, groups=batch)
        return response.transpose(0, 1) * self.scale
