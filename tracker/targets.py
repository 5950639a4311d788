"""What each cell of the maps should say, given the target's box in the search crop."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Targets(NamedTuple):
    """Labels of each cell of a (H, W) map.

    Attributes:
        cls: (B, H, W), 1 on the target, 0 on the background, -1 where neither is asked for.
        centerness: (B, H, W) in 0..1, meaningful where `cls` is 1.
        box: (B, 4, H, W) distances left, top, right, bottom, pixels of the search crop.
    """

    cls: Tensor
    centerness: Tensor
    box: Tensor


def anchor_free(boxes: Tensor, positive: Tensor, grid: Tensor, core: float = 0.5) -> Targets:
    """Label a grid of cells: the central part of the box is target, its outside background, the rest is ignored.

    Args:
        boxes: (B, 4) x1, y1, x2, y2 in pixels of the search crop.
        positive: (B,) 1 where the crop shows the target, 0 where every cell is background.
        grid: (2, H, W) x and y of the cells' centres.
        core: share of the box's sides that counts as target; the nearest cell always does.
    """
    x, y = grid[0][None], grid[1][None]  # (1, H, W)
    x1, y1, x2, y2 = (edge[:, None, None] for edge in boxes.unbind(1))  # (B, 1, 1)
    distances = torch.stack((x - x1, y - y1, x2 - x, y2 - y), dim=1)  # (B, 4, H, W)
    inside = distances.amin(dim=1) > 0

    horizontal = (x - (x1 + x2) / 2).abs() / ((x2 - x1) / 2).clamp(min=1e-3)
    vertical = (y - (y1 + y2) / 2).abs() / ((y2 - y1) / 2).clamp(min=1e-3)
    central = (horizontal < core) & (vertical < core)
    square = (x - (x1 + x2) / 2) ** 2 + (y - (y1 + y2) / 2) ** 2
    nearest = square == square.amin(dim=(1, 2), keepdim=True)

    shown = (positive > 0.5)[:, None, None]
    cls = torch.where(inside, -1.0, 0.0)
    cls = torch.where((central & inside) | nearest, 1.0, cls)
    cls = torch.where(shown, cls, 0.0)

    left, top, right, bottom = distances.clamp(min=0.0).unbind(1)
    across = torch.minimum(left, right) / torch.maximum(left, right).clamp(min=1e-3)
    along = torch.minimum(top, bottom) / torch.maximum(top, bottom).clamp(min=1e-3)
    return Targets(cls, (across * along).sqrt(), distances)


def logistic_map(boxes: Tensor, positive: Tensor, cells: int, stride: int, centre: float,
                 radius: float = 16.0) -> Tensor:
    """(B, cells, cells) labels of SiamFC: 1 within `radius` pixels of the target's centre, else 0.

    Args:
        boxes: (B, 4) x1, y1, x2, y2 in pixels of the search crop, whose middle is `centre`.
    """
    axis = (torch.arange(cells, device=boxes.device) - (cells - 1) / 2) * stride + centre
    cx, cy = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    dx = (axis[None, None, :] - cx[:, None, None]).abs()
    dy = (axis[None, :, None] - cy[:, None, None]).abs()
    near = (dx + dy <= radius) & (positive > 0.5)[:, None, None]
    return near.float()
