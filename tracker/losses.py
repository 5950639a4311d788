"""Losses on the maps: against the labels, and against what a full-precision network says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from tracker.models.head import Predictions
from tracker.targets import Targets


@dataclass(frozen=True)
class Distillation:
    """Weights of what a network learns from its full-precision teacher.

    Attributes:
        cls: cross-entropy with the teacher's classification.
        box: 1 - GIoU with the teacher's boxes, where the teacher sees the target.
        features: squared error of the neck's features, in units of their variance over the batch.
        blocks: the same of the maps of the backbone's stages, see `block_error`; the teacher's backbone must have the
            same channels.
    """

    cls: float = 1.0
    box: float = 1.0
    features: float = 1.0
    blocks: float = 0.0


def giou(predicted: Tensor, target: Tensor) -> Tensor:
    """Generalized IoU (arXiv 1902.09630) of boxes that share a centre point, in -1..1.

    Args:
        predicted, target: (..., 4) distances left, top, right, bottom, not negative.
    """
    low, high = torch.minimum(predicted, target), torch.maximum(predicted, target)
    intersection = (low[..., 0] + low[..., 2]) * (low[..., 1] + low[..., 3])
    hull = (high[..., 0] + high[..., 2]) * (high[..., 1] + high[..., 3])
    areas = [(box[..., 0] + box[..., 2]) * (box[..., 1] + box[..., 3]) for box in (predicted, target)]
    union = areas[0] + areas[1] - intersection
    return intersection / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


def balanced_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over positives and mean over negatives, half each; labels below 0 are left out."""
    loss = F.binary_cross_entropy_with_logits(logits, labels.clamp(min=0.0), reduction="none")
    positive, negative = labels > 0.5, (labels >= 0) & (labels <= 0.5)
    return 0.5 * _mean(loss, positive) + 0.5 * _mean(loss, negative)


def anchor_free(predictions: Predictions, targets: Targets) -> dict[str, Tensor]:
    """Classification, box and, where the head has it, centerness losses of an anchor-free head."""
    positive = targets.cls > 0.5
    # (B, 4, H, W) -> (P, 4): only the cells that lie on a target.
    predicted = predictions.box.permute(0, 2, 3, 1)[positive]
    wanted = targets.box.permute(0, 2, 3, 1)[positive].clamp(min=0.0)
    weight = targets.centerness[positive]
    box = ((1.0 - giou(predicted, wanted)) * weight).sum() / weight.sum().clamp(min=1e-6)
    losses = {"loss_cls": balanced_cross_entropy(predictions.cls, targets.cls), "loss_box": 2.0 * box}
    if predictions.centerness is not None:
        centerness = F.binary_cross_entropy_with_logits(predictions.centerness, targets.centerness, reduction="none")
        losses["loss_centerness"] = 0.5 * _mean(centerness, positive)
    return losses


def distill(predictions: Predictions | Tensor, teacher: Predictions | Tensor, features: Tensor,
            teacher_features: Tensor, weights: Distillation) -> dict[str, Tensor]:
    """What the teacher's maps and features (both without gradient) ask of the student's."""
    losses = {}
    if weights.features:
        losses["loss_features"] = weights.features * feature_error(features, teacher_features)
    if isinstance(predictions, Tensor):
        if weights.cls:
            losses["loss_teacher_cls"] = weights.cls * _soft_cross_entropy(predictions, teacher)
        return losses
    if weights.cls:
        losses["loss_teacher_cls"] = weights.cls * _soft_cross_entropy(predictions.cls, teacher.cls)
    if weights.box:
        sees = teacher.cls.sigmoid()
        sees = torch.where(sees > 0.3, sees, 0.0)
        agreement = giou(predictions.box.permute(0, 2, 3, 1), teacher.box.permute(0, 2, 3, 1))
        losses["loss_teacher_box"] = weights.box * ((1.0 - agreement) * sees).sum() / sees.sum().clamp(min=1.0)
    return losses


def block_error(maps: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Mean over the stages of `feature_error`: each has a target of its own, besides what comes back from later ones.

    Args:
        maps, wanted: (B, C, H, W) of each stage.
    """
    return torch.stack([feature_error(*pair) for pair in zip(maps, wanted, strict=True)]).mean()


def feature_error(features: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error of (B, C, H, W) features in units of each channel's variance over the batch."""
    wanted = wanted.float()
    variance = wanted.var(dim=(0, 2, 3), keepdim=True).clamp(min=1e-6)
    return ((features.float() - wanted) ** 2 / variance).mean()


def _soft_cross_entropy(logits: Tensor, teacher: Tensor) -> Tensor:
    """Cross-entropy less the teacher's entropy: 0 where both agree. Cells count by what the teacher sees there."""
    wanted = teacher.sigmoid()
    loss = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    entropy = F.binary_cross_entropy(wanted, wanted, reduction="none")
    excess = loss - entropy
    return 0.5 * (excess * wanted).sum() / wanted.sum().clamp(min=1.0) + 0.5 * _mean(excess, wanted <= 0.5)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over `mask`, 0 where it is empty; static shapes."""
    return (values * mask).sum() / mask.sum().clamp(min=1)
