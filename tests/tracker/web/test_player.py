"""A source that plays: its pace, its end, and frames that are not what they were when it was opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("PIL", reason="the demo in a browser needs the extra `web`")

from datasets.errors import DataError
from tracker.errors import TrackerError
from tracker.video import Source
from tracker.web.limits import Limits
from tracker.web.player import Player

LIMITS = replace(Limits(), least_side=8, video_side=64)


def source(sides: Sequence[int | None]) -> Source:
    """Square frames of these sides; None is one that cannot be read."""
    def frames() -> Iterator[np.ndarray]:
        for side in sides[1:]:
            if side is None:
                raise DataError("damaged")
            yield np.zeros((side, side, 3), np.uint8)

    return Source("v", np.zeros((sides[0], sides[0], 3), np.uint8), frames(), None, 1e6, False)


def test_frames_follow_each_other_to_the_end():
    player = Player(source([32, 32, 32]), LIMITS)
    player.play()
    assert [player.advance() for _ in range(3)] == [True, True, False]
    assert (player.number, player.playing, player.over) == (2, False, True)
    player.play()
    assert not player.playing


def test_a_frame_that_cannot_be_read_is_the_end():
    player = Player(source([32, 32, None, 32]), LIMITS)
    assert [player.advance() for _ in range(2)] == [True, False]
    assert player.over


@pytest.mark.parametrize(("side", "message"), [(65, "v: frames of 65x65; at most 64"), (7, "v: frames of 7x7 .* too")])
def test_every_frame_must_be_within_the_limits(side, message):
    player = Player(source([32, 48, side, 32]), LIMITS)
    player.play()
    assert player.advance()
    with pytest.raises(TrackerError, match=message):
        player.advance()
    assert (player.number, player.frame.shape, player.playing, player.over) == (1, (48, 48, 3), False, True)


@pytest.mark.parametrize("side", [7, 65])
def test_a_source_whose_first_frame_is_not_is_released(side):
    given = source([side, 32])
    with pytest.raises(TrackerError):
        Player(given, LIMITS)
    assert next(given.rest, None) is None
