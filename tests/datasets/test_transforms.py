from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.cached_crops import CachedCrop
from datasets.crops import Region
from datasets.transforms import (
    ColourRange,
    View,
    ViewRange,
    motion_kernel,
    random_colour,
    random_region,
    random_view,
)

STILL = ColourRange(brightness=0, contrast=0, saturation=0, balance=0, blur=0, motion_blur=0)


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def view(origin, step, size):
    """A view that is not turned."""
    return View(np.array([[step[0], 0, origin[0]], [0, step[1], origin[1]]], dtype=float), size)


def test_view_without_jitter_is_the_region():
    drawn = random_view(np.random.default_rng(0), Region(100, 80, 51), 255, ViewRange(shift=0, scale=0), False)
    middle = np.array([100 - 5.1, 80 - 5.1, 10.2, 10.2])
    np.testing.assert_allclose(drawn.corners(middle), [102, 102, 153, 153])


@given(seed=st.integers(0, 2**32), mirror=st.booleans())
def test_jitter_stays_within_its_limits(seed, mirror):
    limits = ViewRange(shift=30, scale=0.25, aspect=0.2)
    drawn = random_view(np.random.default_rng(seed), Region(100, 80, 51), 255, limits, mirror)
    x1, y1, x2, y2 = drawn.corners(np.array([90, 70, 20, 20]))
    assert abs((x1 + x2) / 2 - 127.5) <= 30 + 1e-9 and abs((y1 + y2) / 2 - 127.5) <= 30 + 1e-9
    width, height = x2 - x1, y2 - y1  # 100 without jitter
    assert 1 / 1.25 - 1e-9 <= np.sqrt(width * height) / 100 <= 1.25 + 1e-9
    assert 1 / 1.2 - 1e-9 <= width / height <= 1.2 + 1e-9


@given(seed=st.integers(0, 2**32), mirror=st.booleans())
def test_turned_box_is_bounded_about_its_centre(seed, mirror):
    limits = ViewRange(shift=0, scale=0, rotation=0.4)
    x1, y1, x2, y2 = random_view(np.random.default_rng(seed), Region(50, 50, 100), 100, limits,
                                 mirror).corners(np.array([30, 40, 40, 20]))
    assert (x1 + x2) / 2 == pytest.approx(50) and (y1 + y2) / 2 == pytest.approx(50)
    width, height = x2 - x1, y2 - y1  # w cos + h sin, w sin + h cos
    angle = np.arcsin((2 * height - width) / 60)
    assert 0 <= angle <= 0.4 + 1e-9
    assert width == pytest.approx(40 * np.cos(angle) + 20 * np.sin(angle))


def test_turns_reach_their_limit_and_not_beyond():
    limits = ViewRange(shift=0, scale=0, rotation=0.4)
    views = [random_view(np.random.default_rng(seed), Region(0, 0, 9), 9, limits, False) for seed in range(60)]
    angles = [np.arctan2(drawn.matrix[1, 0], drawn.matrix[0, 0]) for drawn in views]
    assert -0.4 <= min(angles) < -0.3 and 0.3 < max(angles) <= 0.4


def test_turned_pixels_lie_in_the_turned_box():
    image = np.zeros((100, 100, 3), np.uint8)
    image[40:60, 30:70] = 255
    limits = ViewRange(shift=10, scale=0.2, aspect=0.2, rotation=0.5)
    for seed in range(10):
        drawn = random_view(np.random.default_rng(seed), Region(50, 50, 100), 100, limits, bool(seed % 2))
        ys, xs = np.nonzero(drawn.sample(CachedCrop(image, 1.0, 0.0, 0.0, np.zeros(3)))[..., 0] > 127)
        found = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        np.testing.assert_allclose(found, drawn.corners(np.array([30, 40, 40, 20])), atol=2)


@given(seed=st.integers(0, 2**32), side=st.floats(5, 200))
def test_region_anywhere_lies_in_what_is_stored_or_around_it(seed, side):
    stored = CachedCrop(picture(), scale=2.0, left=10.0, top=-4.0, fill=np.zeros(3))  # x 10 .. 130, y -4 .. 76
    region = random_region(np.random.default_rng(seed), stored, side)
    assert region.side == side
    for first, last, start in ((10, 130, region.left), (-4, 76, region.top)):
        inside = first - 1e-9 <= start and start + side <= last + 1e-9
        around = start <= first + 1e-9 and start + side >= last - 1e-9
        assert inside if side < last - first else around


def test_mirrored_view_shows_the_mirror_image():
    stored = CachedCrop(picture(), scale=1.0, left=0.0, top=0.0, fill=np.zeros(3))
    plain, mirrored = view((5, 5), (1, 1), 20), view((25, 5), (-1, 1), 20)
    np.testing.assert_array_equal(mirrored.sample(stored), plain.sample(stored)[:, ::-1])
    box = np.array([7.0, 8.0, 4.0, 3.0])
    np.testing.assert_allclose(plain.corners(box), [2, 3, 6, 6])
    np.testing.assert_allclose(mirrored.corners(box), [14, 3, 18, 6])


def test_scaled_and_clipped_storage_gives_the_same_view():
    image = np.full((40, 60, 3), 20, np.uint8)
    image[10:20, 30:44] = 220
    shown = view((20, 4), (0.5, 0.5), 60)
    whole = shown.sample(CachedCrop(image, 1.0, 0.0, 0.0, np.full(3, 20)))
    part = shown.sample(CachedCrop(image[4:36:2, 16:56:2], 2.0, 16.0, 4.0, np.full(3, 20)))
    middle = np.s_[16:28, 24:44]
    assert (whole[middle] == 220).all() and (part[middle] == 220).all()
    np.testing.assert_allclose(shown.corners(np.array([30, 10, 14, 10])), [20, 12, 48, 32])


def test_no_colour_change_is_none():
    np.testing.assert_array_equal(random_colour(np.random.default_rng(0), picture(), STILL, False), picture())


def test_grey_has_equal_channels():
    grey = random_colour(np.random.default_rng(0), picture(), ColourRange(), True)
    assert (grey == grey[:, :, :1]).all()


@pytest.mark.parametrize("seed", range(8))
def test_brightness_saturates_instead_of_wrapping(seed):
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    changed = random_colour(np.random.default_rng(seed), ramp, replace(STILL, brightness=0.8), False)
    assert (np.diff(changed[0, :, 0].astype(int)) >= 0).all()


@pytest.mark.parametrize("angle", [0, 0.7, np.pi / 2, 3])
@pytest.mark.parametrize("length", [3, 8, 13])
def test_motion_kernel_is_a_line_through_the_centre(length, angle):
    kernel = motion_kernel(length, angle)
    assert kernel.sum() == pytest.approx(1)
    ys, xs = np.nonzero(kernel)
    radius = len(kernel) // 2
    assert xs.mean() == pytest.approx(radius, abs=0.5) and ys.mean() == pytest.approx(radius, abs=0.5)
    extent = np.hypot(np.ptp(xs), np.ptp(ys))
    assert length - 2 <= extent <= length + 2
