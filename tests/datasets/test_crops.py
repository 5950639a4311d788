import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.crops import Region, context_side, crop, resample, warp
from datasets.opencv import cv2


def test_context_side_of_a_square_is_twice_its_side():
    assert context_side(50, 50) == pytest.approx(100)
    assert context_side(30, 80) == pytest.approx(np.sqrt(85 * 135))


def test_crop_of_whole_pixels_is_a_slice():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    np.testing.assert_array_equal(crop(image, Region(20, 15, 10), 10, np.zeros(3)), image[10:20, 15:25])


def test_outside_of_the_image_is_filled():
    image = np.full((20, 20, 3), 200, np.uint8)
    cut = crop(image, Region(0, 0, 20), 20, np.array([10, 20, 30]))
    assert (cut[:10, :10] == [10, 20, 30]).all()
    assert (cut[11:, 11:] == 200).all()


def test_pixels_land_where_boxes_do():
    image = np.zeros((100, 100, 3), np.uint8)
    image[30:50, 60:70] = 255
    region = Region(57.3, 41.9, 43.0)
    bright = np.argwhere(crop(image, region, 172, np.zeros(3))[..., 0] > 127)
    x, y, width, height = 4 * (60 - region.left), 4 * (30 - region.top), 40, 80  # 172 pixels show 43
    np.testing.assert_allclose(bright.min(axis=0), [y, x], atol=1)
    np.testing.assert_allclose(bright.max(axis=0) + 1, [y + height, x + width], atol=1)


def test_negative_step_mirrors():
    image = np.random.default_rng(0).integers(0, 256, (10, 10, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resample(image, (10, 0), (-1, 1), 10, np.zeros(3)), image[:, ::-1])


def test_warp_turns_by_quarters_without_loss():
    image = np.random.default_rng(0).integers(0, 256, (10, 10, 4), dtype=np.uint8)
    quarter = np.array([[0.0, 1, 0], [-1, 0, 10]])  # image x = y of the crop, image y = 10 - x
    np.testing.assert_array_equal(warp(image, quarter, 10, np.zeros(3)), np.rot90(image, -1))


@given(cx=st.floats(-100, 400), cy=st.floats(-100, 400), side=st.floats(300, 900))
def test_strong_reductions_keep_the_geometry(cx, cy, side):
    y, x = np.mgrid[:240, :320]
    image = np.repeat((x * 0.5 + y * 0.3)[..., None], 3, axis=2).astype(np.uint8)  # a ramp has no detail to alias
    region, fill = Region(cx, cy, side), np.zeros(3)
    plain = resample(image, (region.left, region.top), (side / 100, side / 100), 100, fill)
    white = resample(np.full_like(image, 255), (region.left, region.top), (side / 100,) * 2, 100, fill)[..., 0]
    # At the image's border a crop's pixel mixes image and fill, over its own width.
    inside = cv2.erode((white == 255).astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    difference = np.abs(crop(image, region, 100, fill).astype(int) - plain)[inside]
    assert difference.size == 0 or difference.mean() <= 3  # grey levels; rounding takes up to 2


def test_strong_reductions_do_not_alias():
    checker = np.repeat((np.indices((200, 200)).sum(axis=0) % 2 * 255)[..., None], 3, axis=2).astype(np.uint8)
    assert crop(checker, Region(100, 100, 200), 50, np.zeros(3)).std() < 3
