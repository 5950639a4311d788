import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.alpha import outline, over, premultiply, silhouette_bounds, soft_edges, trim
from datasets.opencv import cv2


def disc(size=60, centre=(25, 31), radius=14):
    return cv2.circle(np.zeros((size, size), np.uint8), centre, radius, 255, -1)


def test_opaque_hides_and_transparent_shows():
    ground = np.full((60, 60, 3), (10, 20, 30), np.uint8)
    mask = disc()
    result = over(premultiply(np.full((60, 60, 3), 200, np.uint8), mask), ground)
    assert (result[mask == 255] == 200).all() and (result[mask == 0] == (10, 20, 30)).all()


def test_soft_edges_stay_where_they_were():
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 5:35] = 255
    soft = soft_edges(mask)
    assert silhouette_bounds(soft) == (5, 10, 30, 20)
    assert 0 < soft[20, 4] < 127 < soft[20, 5] < 255


def test_trim_leaves_the_silhouette():
    assert trim(premultiply(np.zeros((60, 60, 3), np.uint8), disc())).shape == (29, 29, 4)


@given(angle=st.floats(0, 6.3), stretch=st.floats(0.5, 2), mask=st.sampled_from([disc(), disc(centre=(0, 50))]))
def test_bounds_of_the_moved_outline_are_those_of_all_moved_pixels(angle, stretch, mask):
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * stretch
    ys, xs = np.nonzero(mask)
    pixels = np.concatenate([np.column_stack([xs + a, ys + b]) for a in (0, 1) for b in (0, 1)]) @ turn
    ends = outline(premultiply(np.zeros((60, 60, 3), np.uint8), mask)) @ turn
    np.testing.assert_allclose(ends.min(axis=0), pixels.min(axis=0))
    np.testing.assert_allclose(ends.max(axis=0), pixels.max(axis=0))


def test_nothing_has_an_outline_without_area():
    assert outline(np.zeros((10, 20, 4), np.uint8)).tolist() == [[10, 5]]
    assert silhouette_bounds(np.zeros((10, 20), np.uint8)) == pytest.approx((0, 0, 0, 0))
