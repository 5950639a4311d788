"""Regularizers of latent weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from b2nn.convert import latent_weights


def kurtosis(values: Tensor) -> Tensor:
    """Mean of ((x - mean) / standard deviation)⁴, a scalar for any shape; finite where nothing varies.

    It is at least 1: 1 for two equal peaks, 1.8 for a uniform, 3 for a normal distribution.
    """
    centred = values - values.mean()
    variance = centred.square().mean()
    return centred.pow(4).mean() / variance.square().clamp(min=torch.finfo(variance.dtype).tiny)


def kurtosis_loss(model: nn.Module, target: float = 1.8) -> Tensor:
    """Mean over the binary layers of (kurtosis of the latent weight - target)²; 0 for a model without any.

    KURE, arXiv 2002.07686: a normal distribution's many weights near 0 change sign by chance; a flat one, or one of two
    peaks, has fewer of them. Weights inside gated units are left out, since the full-precision branch uses them too.
    """
    weights = latent_weights(model)
    if not weights:
        return torch.zeros(())
    return torch.stack([(kurtosis(weight) - target).square() for weight in weights]).mean()
