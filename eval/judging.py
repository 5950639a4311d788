"""How well a tracker does on a few sequences, to choose between forms of its network."""

from __future__ import annotations

from collections.abc import Sequence as Sequences
from dataclasses import replace

from datasets import images
from datasets.sequence import Sequence
from eval.metrics import Track, score
from eval.protocols import OTB_VISIBLE
from eval.tracking import Tracker, track

FRAMES = 100  # of a sequence, at most


def success(tracker: Tracker, sequences: Sequences[Sequence]) -> float:
    """Area under the success curve over the first `FRAMES` frames of each, 0..1, where the target is visible."""
    tracks = []
    for sequence in sequences:
        short = replace(sequence, frames=sequence.frames[:FRAMES], boxes=sequence.boxes[:FRAMES],
                        visible=sequence.visible[:FRAMES])
        height, width = images.read(short.frames[0]).shape[:2]
        tracks.append(Track(short.name, track(tracker, short).boxes, short.boxes, short.visible, (width, height)))
    return score(OTB_VISIBLE, tracks).success
