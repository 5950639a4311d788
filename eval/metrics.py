"""Scores of a tracker from its boxes and the true ones, under a protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from datasets.annotations import has_area
from datasets.errors import DataError
from eval.boxes import centre_error, clip_to_frame, iou, normalized_centre_error
from eval.protocols import DISTANCES, Protocol


@dataclass(frozen=True, eq=False)
class Track:
    """What a tracker said about one sequence, beside the truth.

    Attributes:
        name: of the sequence.
        predicted: (N, 4) float64 x, y, w, h, 0-based pixels; row 0 belongs to the frame the tracker was
            given.
        truth: (N, 4) likewise.
        visible: (N,) bool, False where the target is labelled as absent.
        frame_size: width and height in pixels.
    """

    name: str
    predicted: np.ndarray
    truth: np.ndarray
    visible: np.ndarray
    frame_size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class FrameErrors:
    """The scored frames of one track: overlap (M,), distances (M,) in pixels and in target sizes."""

    overlap: np.ndarray
    distance: np.ndarray
    normalized: np.ndarray


@dataclass(frozen=True, eq=False)
class Scores:
    """A tracker's scores, fractions in 0..1; NaN where no frame could be scored.

    Attributes:
        protocol: name of the rule.
        ao: mean overlap.
        sr50, sr75: share of frames with overlap above .5 and .75.
        success: mean of `success_curve` (area under the curve).
        precision: share of frames within the protocol's distance (20 px).
        norm_precision: likewise in target sizes, None where the protocol has none.
        success_curve: (overlap_steps,) share of frames by overlap threshold.
        precision_curve, norm_precision_curve: (51,) share of frames by distance threshold.
    """

    protocol: str
    ao: float
    sr50: float
    sr75: float
    success: float
    precision: float
    norm_precision: float | None
    success_curve: np.ndarray
    precision_curve: np.ndarray
    norm_precision_curve: np.ndarray


def score(protocol: Protocol, tracks: Iterable[Track]) -> Scores:
    """Score tracks by a protocol.

    A sequence without a frame to score has no say. Precision is a hit where the truth is invalid (see
    `Protocol`).

    Raises:
        DataError: a track has not one predicted box a true one.
    """
    sequences = [frame_errors(protocol, track) for track in tracks]
    overlap_thresholds = np.linspace(0, 1, protocol.overlap_steps)
    distances = np.asarray(DISTANCES, dtype=np.float64)

    def average(per_frame: Callable[[FrameErrors], np.ndarray]) -> np.ndarray:
        return _average([per_frame(errors) for errors in sequences], protocol.average)

    success = average(lambda errors: errors.overlap[:, None] > overlap_thresholds)
    precision = average(lambda errors: errors.distance[:, None] <= distances)
    normalized = average(lambda errors: errors.normalized[:, None] <= distances / 100)
    norm_at = protocol.norm_precision_at
    return Scores(
        protocol=protocol.name,
        ao=float(average(lambda errors: np.maximum(errors.overlap, 0)[:, None])[0]),
        sr50=float(average(lambda errors: errors.overlap[:, None] > 0.5)[0]),
        sr75=float(average(lambda errors: errors.overlap[:, None] > 0.75)[0]),
        success=float(success.mean()),
        precision=float(precision[protocol.precision_at]),
        norm_precision=None if norm_at is None else float(normalized[round(norm_at * 100)]),
        success_curve=success,
        precision_curve=precision,
        norm_precision_curve=normalized,
    )


def frame_errors(protocol: Protocol, track: Track) -> FrameErrors:
    """Overlap and centre distances of the frames of one track that the protocol scores.

    Raises:
        DataError: the track has not one predicted box a true one.
    """
    truth, predicted = track.truth, _replaced(protocol, track)
    if protocol.clip:
        truth, predicted = (clip_to_frame(boxes, track.frame_size) for boxes in (truth, predicted))
    overlap = iou(predicted, truth)
    distance = centre_error(predicted, truth)
    normalized = normalized_centre_error(predicted, truth)

    invalid = ~_valid(protocol, track.truth)
    for values in (overlap, distance, normalized):
        values[invalid] = -1
    if protocol.absent == "missed":
        overlap[~track.visible] = -1
        distance[~track.visible] = normalized[~track.visible] = np.inf

    scored = track.visible.copy() if protocol.absent == "left out" else np.ones(len(truth), dtype=bool)
    if protocol.first_frame == "left out":
        scored[0] = False
    return FrameErrors(overlap[scored], distance[scored], normalized[scored])


def _replaced(protocol: Protocol, track: Track) -> np.ndarray:
    """The predicted boxes after the protocol's replacements, (N, 4)."""
    if track.predicted.shape != track.truth.shape:
        raise DataError(
            f"{track.name}: {len(track.predicted)} predicted boxes for {len(track.truth)} true ones; "
            "expected one a frame"
        )
    predicted = track.predicted.copy()
    if protocol.first_frame == "given":
        predicted[0] = track.truth[0]
    if protocol.invalid_result == "repeated":
        # Each row takes the box of the last usable row at or before it, of row 0 where there is none.
        usable = np.where(has_area(predicted), np.arange(len(predicted)), 0)
        predicted = predicted[np.maximum.accumulate(usable)]
    return predicted


def _valid(protocol: Protocol, truth: np.ndarray) -> np.ndarray:
    valid = has_area(truth)
    if protocol.valid_truth == "positive":
        valid &= (truth[:, :2] + protocol.origin > 0).all(axis=1)
    return valid


def _average(sequences: list[np.ndarray], how: str) -> np.ndarray:
    """Mean of (frames, K) arrays over frames, or of their means over sequences, (K,); NaN without frames."""
    scored = [values for values in sequences if len(values)]
    if not scored:
        return np.full(sequences[0].shape[1] if sequences else len(DISTANCES), np.nan)
    if how == "frames":
        return np.concatenate(scored).mean(axis=0)
    return np.mean([values.mean(axis=0) for values in scored], axis=0)
