import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import images, masks
from datasets.alpha import outline, silhouette_bounds
from datasets.cached_crops import CacheOptions, anchor_box, encode
from datasets.errors import DataError
from datasets.opencv import cv2
from datasets.sequence import Sequence


def one_frame(tmp_path, picture, box):
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    return Sequence("a", "test", (tmp_path / "a.png",), np.array([box], dtype=np.float64), np.array([True]))


@given(st.lists(st.booleans(), min_size=1, max_size=12).filter(any), st.data())
def test_anchor_is_the_last_visible_box_or_the_first_one(visible, data):
    index = data.draw(st.integers(0, len(visible) - 1))
    boxes = np.arange(4 * len(visible), dtype=float).reshape(-1, 4)
    seen = [i for i in range(index + 1) if visible[i]]
    expected = seen[-1] if seen else visible.index(True)
    np.testing.assert_array_equal(anchor_box(boxes, np.array(visible), index), boxes[expected])


@pytest.mark.parametrize("box", [(250, 180, 40, 30), (0, 0, 60, 20), (560, 440, 80, 40),
                                 (200, 100, 180, 240)])
def test_pixels_lie_where_the_affine_says(tmp_path, box):
    x, y, width, height = box
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[y:y + height, x:x + width] = 255
    data, (scale, left, top, *_) = encode(one_frame(tmp_path, picture, box), 0, CacheOptions())
    bright = np.argwhere(images.decode(data, "crop")[..., 0] > 127)
    origin = np.array([top, left])
    np.testing.assert_allclose(bright.min(axis=0) * scale + origin, [y, x], atol=1.01 * scale)
    np.testing.assert_allclose((bright.max(axis=0) + 1) * scale + origin, [y + height, x + width],
                               atol=1.01 * scale)


def test_search_region_is_covered_with_room_to_shift(tmp_path):
    picture = np.zeros((1000, 1000, 3), np.uint8)
    data, (scale, left, top, *_) = encode(one_frame(tmp_path, picture, (480, 480, 40, 40)), 0, CacheOptions())
    search = 80 * 255 / 127
    assert images.decode(data, "crop").shape[0] * scale == pytest.approx(2 * search, abs=2)
    assert (left, top) == pytest.approx((500 - search, 500 - search), abs=1)
    assert scale == 1.0  # small crops are not enlarged


def test_large_crops_shrink_to_the_resolution_of_the_network(tmp_path):
    picture = np.zeros((1200, 1200, 3), np.uint8)
    data, (scale, *_) = encode(one_frame(tmp_path, picture, (500, 500, 200, 200)), 0, CacheOptions())
    assert scale == pytest.approx(2 * 400 * 255 / 127 / 510)
    assert max(images.decode(data, "crop").shape) == round(1200 / scale)


def test_fill_is_the_mean_colour_of_the_whole_frame(tmp_path):
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[:50] = (10, 100, 200)
    _, place = encode(one_frame(tmp_path, picture, (5, 5, 4, 4)), 0, CacheOptions())
    np.testing.assert_allclose(place[3:], [5, 50, 100])


def test_box_beyond_the_border_stores_something(tmp_path):
    picture = np.zeros((50, 50, 3), np.uint8)
    data, _ = encode(one_frame(tmp_path, picture, (400, -300, 10, 10)), 0, CacheOptions())
    assert images.decode(data, "crop").size > 0


def test_whole_frames(tmp_path):
    picture = np.zeros((50, 70, 3), np.uint8)
    sequence = one_frame(tmp_path, picture, (4, 3, 10, 10))
    data, place = encode(sequence, 0, CacheOptions(mode="frame"))
    assert images.decode(data, "frame").shape == (50, 70, 3)
    assert place[:3].tolist() == [1, 0, 0]


def decoded(sequence, **options):
    data, (scale, left, top, *fill) = encode(sequence, 0, CacheOptions(mode="object", **options))
    return images.decode(data, "object", alpha=True), scale, np.array([left, top]), fill


@pytest.mark.parametrize("box", [(60, 30, 40, 25), (0, 0, 30, 50), (130, 95, 30, 25)])
def test_object_is_cut_out_tightly_with_soft_edges(masked, box):
    sequence, = masks.load(*masked({"a": [box]}))
    thing, scale, place, fill = decoded(sequence)
    assert scale == 1 and fill == [0, 0, 0]
    bounds = np.array(silhouette_bounds(thing[:, :, 3]))
    np.testing.assert_allclose(bounds + np.append(place, (0, 0)), box)
    assert max(thing.shape[:2]) <= 60
    assert (thing[:, :, :3] <= thing[:, :, 3:]).all()


def test_large_objects_shrink(masked):
    sequence, = masks.load(*masked({"a": [(10, 20, 120, 60)]}))
    thing, scale, place, _ = decoded(sequence, max_side=50)
    assert max(thing.shape[:2]) == 50
    ends = outline(thing) * scale + place
    np.testing.assert_allclose([*ends.min(axis=0), *ends.max(axis=0)], [10, 20, 130, 80], atol=scale)


def test_objects_need_masks(tmp_path):
    sequence = one_frame(tmp_path, np.zeros((50, 70, 3), np.uint8), (4, 3, 10, 10))
    with pytest.raises(DataError, match="a: has no masks"):
        encode(sequence, 0, CacheOptions(mode="object"))


def test_unknown_mode_is_named():
    with pytest.raises(DataError, match="cache mode 'video' is unknown"):
        CacheOptions(mode="video")
