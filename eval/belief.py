"""Whether a tracker's score can be believed, and whether it finds again what was gone.

A frame counts as right where the target is visible and the box overlaps it by more than `RIGHT`. The first frame, which
is given, counts nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence as Sequences
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from eval.boxes import iou

RIGHT = 0.5
SECOND = 30
"""Frames that a tracker has to find a target again: a second, at the usual rate."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One sequence as a tracker saw it, without its first frame.

    Attributes:
        scores: (N,) float64, larger is surer.
        right: (N,) bool, the target is visible and was found.
        visible: (N,) bool.
    """

    scores: np.ndarray
    right: np.ndarray
    visible: np.ndarray


@dataclass(frozen=True)
class Belief:
    """Over all frames of all sequences.

    Attributes:
        auc: area under the ROC curve of the score against "right"; None where all frames are right, or none is.
        reappearances: how often a target becomes visible again.
        found: how many of these times a frame of the first second is right.
    """

    auc: float | None
    reappearances: int
    found: int


def judge(boxes: np.ndarray, scores: np.ndarray, truth: np.ndarray, visible: np.ndarray) -> Judged:
    """Compare a tracker's boxes (N, 4) and scores (N,) with the truth (N, 4) and its labels (N,)."""
    right = visible & (iou(boxes, truth) > RIGHT)
    return Judged(scores[1:], right[1:], visible[1:])


def believe(sequences: Sequences[Judged]) -> Belief:
    """Put the sequences together: a score must mean the same in all of them."""
    found = [hit for sequence in sequences for hit in found_again(sequence)]
    scores = np.concatenate([sequence.scores for sequence in sequences])
    right = np.concatenate([sequence.right for sequence in sequences])
    return Belief(roc_auc(scores, right), len(found), sum(found))


def roc_auc(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """The chance that a positive outscores a negative, ties by half (Mann and Whitney's U); None without both."""
    count = int(positive.sum())
    others = len(positive) - count
    if not count or not others:
        return None
    return float((rankdata(scores)[positive].sum() - count * (count + 1) / 2) / (count * others))


def found_again(sequence: Judged) -> list[bool]:
    """Of each reappearance whether the target was found in the second after it, while it stays visible."""
    starts = np.flatnonzero(sequence.visible[1:] & ~sequence.visible[:-1]) + 1
    ends = [next((int(gone) for gone in np.flatnonzero(~sequence.visible) if gone > start), None) for start in starts]
    return [bool(sequence.right[start:end][:SECOND].any()) for start, end in zip(starts, ends, strict=True)]
