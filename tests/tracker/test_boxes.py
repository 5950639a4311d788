"""Which boxes can be tracked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.boxes import as_box
from tracker.errors import TrackerError

FRAME = np.zeros((120, 160, 3), np.uint8)


@pytest.mark.parametrize("given_box", [(1, 2, 3, 4), [1.0, 2, 3, 4], np.array([1, 2, 3, 4], np.uint8)])
def test_four_numbers_of_any_kind_are_a_box(given_box):
    box = as_box(given_box, FRAME)
    assert (box.dtype, box.tolist()) == (np.float64, [1, 2, 3, 4])


@pytest.mark.parametrize("bad", [None, "1,2,3,4", ["1", "2", "3", "4"], [[1, 2, 3, 4]], [1, 2, 3], {}, 7,
                                 [1, 2, 3, [4]], [True] * 4])
def test_nothing_else_is_one(bad):
    with pytest.raises(TrackerError, match="four numbers x, y, w, h"):
        as_box(bad, FRAME)


@pytest.mark.parametrize(("box", "message"), [
    ((1, 2, 0, 4), "has no area"), ((1, 2, 3, -4), "has no area"), ((np.nan, 2, 3, 4), "is not finite"),
    ((1, 2, np.inf, 4), "is not finite"),
    ((1, 2, 0.9, 40), "smaller than a pixel"), ((160, 2, 3, 4), "outside the frame of 160x120"),
    ((-3, 2, 3, 4), "outside the frame"),
])
def test_boxes_that_cannot_be_tracked_are_told(box, message):
    with pytest.raises(TrackerError, match=message):
        as_box(box, FRAME)


@given(st.tuples(*[st.floats()] * 4))
def test_what_is_taken_meets_the_frame_and_is_no_smaller_than_a_pixel(given_box):
    try:
        x, y, w, h = as_box(given_box, FRAME)
    except TrackerError:
        return
    assert min(w, h) >= 1 and x < 160 and y < 120 and x + w > 0 and y + h > 0
