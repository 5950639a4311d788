"""Scores of a tracker from its boxes and the true ones, under a protocol."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from datasets.annotations import has_area
from datasets.errors import DataError
from eval.boxes import centre_error, clip_to_frame, iou, normalized_centre_error
from eval.protocols import LARGEST_DISTANCE, Protocol


@dataclass(frozen=True, eq=False)
class Track:
    """What a tracker said about one sequence, beside the truth.

    Attributes:
        name: of the sequence.
        predicted: (N, 4) float64 x, y, w, h, 0-based pixels; row 0 belongs to the frame the tracker was given.
        truth: (N, 4) likewise.
        visible: (N,) bool, False where the target is labelled as absent.
        frame_size: width and height in pixels; None where unknown: boxes are then not confined to the frame.
    """

    name: str
    predicted: np.ndarray
    truth: np.ndarray
    visible: np.ndarray
    frame_size: tuple[int, int] | None


@dataclass(frozen=True, eq=False)
class FrameErrors:
    """The scored frames of one track: overlap (M,), distances (M,) in pixels and in target sizes."""

    overlap: np.ndarray
    distance: np.ndarray
    normalized: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class Scores:
    """Scores as fractions in 0..1, and the curves that they are read off; NaN where nothing could be scored.

    Attributes:
        ao: mean overlap.
        sr50, sr75: share of frames with overlap above .5 and .75.
        success: area of `success_curve`.
        precision: read off `precision_curve`, or its area, as the protocol asks.
        norm_precision: likewise in target sizes, None where the protocol has none.
        success_curve: (overlap_steps,) share of frames by overlap threshold.
        precision_curve, norm_precision_curve: (distance_steps,) share of frames by distance threshold.
    """

    ao: float
    sr50: float
    sr75: float
    success: float
    precision: float
    norm_precision: float | None
    success_curve: np.ndarray
    precision_curve: np.ndarray
    norm_precision_curve: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class SequenceScores(Scores):
    """Scores on one sequence; NaN where it has no say in the mean.

    Attributes:
        name: of the sequence.
        weight: its share in the mean over sequences: its scored frames, or 1 (see `Protocol.average`).
    """

    name: str
    weight: float


@dataclass(frozen=True, eq=False, kw_only=True)
class BenchmarkScores(Scores):
    """Scores over all sequences: the weighted mean of their own.

    Attributes:
        protocol: name of the rule.
        sequences: what was averaged.
    """

    protocol: str
    sequences: tuple[SequenceScores, ...]


def score(protocol: Protocol, tracks: Iterable[Track]) -> BenchmarkScores:
    """Score tracks by a protocol.

    A sequence without a frame to score has no say. Precision is a hit where the truth is invalid (see `Protocol`).

    Raises:
        DataError: a track has not one predicted box a true one.
    """
    sequences = tuple(score_sequence(protocol, track) for track in tracks)
    weights = np.array([one.weight for one in sequences])

    def mean(name: str, length: int) -> np.ndarray:
        values = np.reshape([getattr(one, name) for one in sequences], (len(sequences), length))
        return weighted_mean(values, weights)

    curves = (mean("success_curve", protocol.overlap_steps), mean("precision_curve", protocol.distance_steps),
              mean("norm_precision_curve", protocol.distance_steps))
    ao, sr50, sr75 = (float(mean(name, 1)[0]) for name in ("ao", "sr50", "sr75"))
    return BenchmarkScores(
        protocol=protocol.name, sequences=sequences, ao=ao, sr50=sr50, sr75=sr75, **_summary(protocol, *curves)
    )


def score_sequence(protocol: Protocol, track: Track) -> SequenceScores:
    """Score one track by a protocol.

    Raises:
        DataError: the track has not one predicted box a true one.
    """
    errors = frame_errors(protocol, track)
    frames = len(errors.overlap)
    distances = distance_thresholds(protocol)
    # Not linspace, whose 0.3 is 0.30000000000000004: overlaps on a threshold are common.
    overlaps = np.arange(protocol.overlap_steps) / (protocol.overlap_steps - 1)
    success = _curve(protocol, errors.overlap[:, None] > overlaps)
    precision = _curve(protocol, errors.distance[:, None] <= distances)
    normalized = _curve(protocol, errors.normalized[:, None] <= distances / 100)

    def mean(values: np.ndarray) -> float:
        return float(values.mean()) if frames else float("nan")

    return SequenceScores(
        name=track.name,
        weight=frames if protocol.average == "frames" else float(frames > 0),
        ao=mean(np.maximum(errors.overlap, 0)),
        sr50=mean(errors.overlap > 0.5),
        sr75=mean(errors.overlap > 0.75),
        **_summary(protocol, success, precision, normalized),
    )


def frame_errors(protocol: Protocol, track: Track) -> FrameErrors:
    """Overlap and centre distances of the frames of one track that the protocol scores.

    Raises:
        DataError: the track has not one predicted box a true one.
    """
    truth, predicted = track.truth, _replaced(protocol, track)
    if protocol.rounded:
        truth, predicted = truth.round(), predicted.round()
    if protocol.clip and track.frame_size is not None:
        truth, predicted = (clip_to_frame(boxes, track.frame_size) for boxes in (truth, predicted))
    overlap = iou(predicted, truth)
    distance = centre_error(predicted, truth)
    normalized = normalized_centre_error(predicted, truth)

    without_overlap, without_distance = _unusable(protocol, track.truth)
    overlap[without_overlap] = -1
    distance[without_distance] = normalized[without_distance] = -1
    if protocol.absent == "missed":
        overlap[~track.visible] = -1
        distance[~track.visible] = normalized[~track.visible] = np.inf

    scored = track.visible.copy() if protocol.absent == "left out" else np.ones(len(truth), dtype=bool)
    if protocol.first_frame == "left out":
        scored[0] = False
    return FrameErrors(overlap[scored], distance[scored], normalized[scored])


def distance_thresholds(protocol: Protocol) -> np.ndarray:
    """(distance_steps,) thresholds of precision in pixels; in hundredths of the target for normalised precision."""
    return np.linspace(0, LARGEST_DISTANCE, protocol.distance_steps)


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of (S, K) values with weights (S,), (K,); a row that is NaN has no say, NaN where no row has one."""
    total = (~np.isnan(values) * weights[:, None]).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.nansum(values * weights[:, None], axis=0) / total


def _curve(protocol: Protocol, hits: np.ndarray) -> np.ndarray:
    """Share of the frames (M, K) that hit each of K thresholds, (K,); NaN where the sequence has no say."""
    if not len(hits) or (protocol.unhit == "left out" and not hits.any()):
        return np.full(hits.shape[1], np.nan)
    return hits.mean(axis=0)


def _summary(
    protocol: Protocol, success: np.ndarray, precision: np.ndarray, normalized: np.ndarray
) -> dict[str, Any]:
    """The fields of `Scores` that are read off curves, and the curves."""
    at = protocol.norm_precision_at
    return dict(
        success=_area(protocol, success),
        precision=_read(protocol, precision, protocol.precision_at),
        norm_precision=None if at is None else _read(protocol, normalized, at if at == "area" else at * 100),
        success_curve=success,
        precision_curve=precision,
        norm_precision_curve=normalized,
    )


def _read(protocol: Protocol, curve: np.ndarray, at: float | Literal["area"]) -> float:
    if at == "area":
        return _area(protocol, curve)
    return float(curve[np.searchsorted(distance_thresholds(protocol), at)])


def _area(protocol: Protocol, curve: np.ndarray) -> float:
    if protocol.area == "mean":
        return float(curve.mean())
    return float((curve[1:] + curve[:-1]).mean() / 2)


def _replaced(protocol: Protocol, track: Track) -> np.ndarray:
    """The predicted boxes after the protocol's replacements, (N, 4)."""
    if track.predicted.shape != track.truth.shape:
        raise DataError(
            f"{track.name}: {len(track.predicted)} predicted boxes for {len(track.truth)} true ones; "
            "expected one a frame"
        )
    predicted = track.predicted.copy()
    if protocol.invalid_result == "repeated":
        # As the toolkit's loop does it: the row before may itself be a bad one, on a frame without a true box.
        bad = ~has_area(predicted) & ~np.isnan(track.truth).any(axis=1)
        for row in np.flatnonzero(bad[1:]) + 1:
            predicted[row] = predicted[row - 1]
    if protocol.first_frame == "given":
        predicted[0] = track.truth[0]
    return predicted


def _unusable(protocol: Protocol, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which true boxes (N, 4) the protocol takes no overlap and no distance from, (N,) bool each."""
    if protocol.valid_truth == "any":
        none = np.zeros(len(truth), dtype=bool)
        return none, none
    usable, corner = has_area(truth), truth[:, :2] + protocol.origin
    if protocol.valid_truth != "area":
        usable &= np.all(corner > 0, axis=1)
    if protocol.valid_truth == "centre":
        centre = corner + (truth[:, 2:] - 1) / 2
        return ~usable, ~np.all(centre > 0, axis=1)
    return ~usable, ~usable
