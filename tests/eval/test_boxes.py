import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eval.boxes import centre_error, clip_to_frame, iou, normalized_centre_error

BOX = np.array([[10.0, 20.0, 40.0, 30.0]])
coordinate = st.floats(-500, 500)
side = st.floats(0.1, 500)
boxes = st.tuples(coordinate, coordinate, side, side).map(lambda box: np.array([box]))


@pytest.mark.parametrize(("other", "expected"), [
    ([10, 20, 40, 30], 1.0),
    ([30, 20, 40, 30], 1 / 3),  # half of each is shared
    ([10, 20, 20, 15], 1 / 4),  # inside
    ([50, 20, 40, 30], 0.0),  # touching edges share nothing: no +1
    ([500, 500, 1, 1], 0.0),
])
def test_overlap_is_shared_area_over_united_area(other, expected):
    assert iou(BOX, np.array([other])) == pytest.approx([expected])


@pytest.mark.parametrize("bad", [[10, 20, 0, 30], [10, 20, 40, -1], [10, 20, 1e-200, 1e-200], [np.nan] * 4,
                                 [np.inf, 0, 1, 1]])
def test_a_box_without_area_overlaps_nothing(bad):
    bad = np.array([bad], dtype=float)
    assert iou(bad, BOX) == iou(BOX, bad) == iou(bad, bad) == [0]


@given(boxes, boxes)
def test_overlap_is_symmetric_and_a_fraction(a, b):
    assert iou(a, b) == iou(b, a)
    assert 0 <= iou(a, b)[0] <= 1


@given(boxes)
def test_a_box_overlaps_itself_exactly(box):
    # Not .9999: the success curve counts overlaps above 0.95 and below.
    assert iou(box, box)[0] == pytest.approx(1, abs=1e-9)


@given(boxes, boxes, st.floats(0.1, 10))
def test_overlap_does_not_depend_on_the_scale(a, b, factor):
    assert iou(a * factor, b * factor) == pytest.approx(iou(a, b), abs=1e-6)


def test_centre_error_is_the_distance_of_centres():
    assert centre_error(BOX, np.array([[13.0, 24.0, 40.0, 30.0]])) == pytest.approx([5])
    assert centre_error(BOX, np.array([[20.0, 25.0, 20.0, 20.0]])) == pytest.approx([0])


def test_normalized_error_is_in_units_of_the_true_box():
    predicted = BOX + np.array([4.0, 3.0, 0, 0])
    assert normalized_centre_error(predicted, BOX) == pytest.approx([np.hypot(0.1, 0.1)])


def test_distances_to_nothing_are_infinite():
    assert centre_error(np.full((1, 4), np.nan), BOX) == [np.inf]
    assert normalized_centre_error(BOX, np.array([[10.0, 20.0, 0.0, 30.0]])) == [np.inf]


def test_clipping_shifts_what_sticks_out_left_and_cuts_what_sticks_out_right():
    given_boxes = np.array([[-10, 5, 20, 10], [90, 40, 20, 20], [200, 5, 10, 10]])
    expected = np.array([[0, 5, 20, 10], [90, 40, 10, 8], [100, 5, 0, 10]])
    assert clip_to_frame(given_boxes, (100, 48)) == pytest.approx(expected)


@given(arrays(float, (7, 4), elements=st.floats(-50, 150)), arrays(float, (7, 4), elements=st.floats(1, 60)))
def test_overlap_agrees_with_the_got10k_toolkit(a, b):
    metrics = pytest.importorskip("got10k.utils.metrics")
    a[:, 2:] = np.maximum(a[:, 2:], 1)
    ours = iou(clip_to_frame(a, (100, 80)), clip_to_frame(b, (100, 80)))
    assert ours == pytest.approx(metrics.rect_iou(a.copy(), b.copy(), bound=(100, 80)), abs=1e-12)
