"""Frames as users have them, made those that trackers work on: (H, W, 3) uint8 BGR."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from datasets.opencv import cv2
from tracker.errors import TrackerError

Colour = Literal["bgr", "rgb"]
COLOURS = ("bgr", "rgb")
_SHAPES = "(H, W, 3), (3, H, W) or (H, W)"


def as_bgr(frame: np.ndarray | torch.Tensor, colour: Colour = "bgr") -> np.ndarray:
    """The frame as (H, W, 3) uint8 BGR; the array itself where it is one already.

    Args:
        frame: numpy array or torch tensor, uint8 in 0..255 or floating point in 0..1. Channels last, channels first,
            or grey without channels. Where both could be meant, as in (3, 480, 3), arrays have their channels last and
            tensors first.
        colour: order of three channels.

    Raises:
        TrackerError: anything else.
    """
    array = _array(frame)
    if 0 in array.shape:
        raise TrackerError(f"a frame is {_SHAPES}; {tuple(array.shape)} is empty")
    image = _as_bytes(_channels_last(array, first=isinstance(frame, torch.Tensor)))
    if image.shape[2] == 1:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    return image if colour == "bgr" else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)


def _array(frame: np.ndarray | torch.Tensor) -> np.ndarray:
    if isinstance(frame, torch.Tensor):
        tensor = frame.detach()
        return (tensor.float() if tensor.is_floating_point() else tensor).cpu().numpy()
    if isinstance(frame, np.ndarray):
        return frame
    raise TrackerError(f"a frame is a numpy array or a torch tensor, not {type(frame).__name__}")


def _channels_last(array: np.ndarray, first: bool) -> np.ndarray:
    """(H, W, C); `first` decides where channels could be at either end."""
    if array.ndim == 2:
        return array[..., None]
    if array.ndim == 3:
        ends = [array.shape[0] in (1, 3), array.shape[2] in (1, 3)]
        if ends[0] and (first or not ends[1]):
            return np.ascontiguousarray(array.transpose(1, 2, 0))
        if ends[1]:
            return array
    batch = "; give the images of a batch one by one" if array.ndim == 4 else ""
    alpha = "; drop the transparency" if array.ndim == 3 and 4 in (array.shape[0], array.shape[2]) else ""
    raise TrackerError(f"a frame is {_SHAPES}, not {tuple(array.shape)}{batch}{alpha}")


def _as_bytes(image: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint8:
        return image
    if not np.issubdtype(image.dtype, np.floating):
        raise TrackerError(f"a frame is uint8 in 0..255 or floating point in 0..1, not {image.dtype}")
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 1):
        raise TrackerError(f"a frame of floating point has values in 0..1, not {low:g}..{high:g}")
    return np.rint(image * 255).astype(np.uint8)
