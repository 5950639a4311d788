"""Frames as users have them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tracker
from tests.tracker.conftest import red_frame
from tracker.errors import TrackerError
from tracker.frames import as_bgr

BGR = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
RGB = np.ascontiguousarray(BGR[..., ::-1])


def test_opencvs_frames_are_taken_as_they_are():
    assert as_bgr(BGR) is BGR


@pytest.mark.parametrize("frame", [
    RGB, RGB.transpose(2, 0, 1), torch.from_numpy(RGB), torch.from_numpy(RGB).permute(2, 0, 1),
    RGB / 255, (RGB / 255).astype(np.float32), torch.from_numpy(RGB).permute(2, 0, 1) / 255,
], ids=["last", "first", "tensor last", "tensor first", "float64", "float32", "tensor float"])
def test_every_form_of_an_rgb_image_is_the_same_image(frame):
    np.testing.assert_array_equal(as_bgr(frame, "rgb"), BGR)


@pytest.mark.parametrize("frame", [BGR[..., 0], BGR[..., :1], BGR[..., :1].transpose(2, 0, 1),
                                   torch.from_numpy(BGR[None, ..., 0].copy()), BGR[..., 0] / 255])
def test_grey_is_grey_in_every_form(frame):
    np.testing.assert_array_equal(as_bgr(frame, "rgb"), np.repeat(BGR[..., :1], 3, axis=2))


def test_half_precision_and_gradients_are_no_obstacle():
    frame = torch.full((3, 4, 5), 0.5, dtype=torch.bfloat16, requires_grad=True)
    np.testing.assert_array_equal(as_bgr(frame), np.full((4, 5, 3), 128))


@given(st.integers(1, 5), st.integers(1, 5))
def test_where_channels_could_be_at_either_end_arrays_have_them_last_and_tensors_first(height, width):
    last, first = np.zeros((height, width, 3), np.uint8), np.zeros((3, height, width), np.uint8)
    assert as_bgr(last).shape == as_bgr(torch.from_numpy(first)).shape == (height, width, 3)


@pytest.mark.parametrize(("frame", "message"), [
    (BGR / 1.0, r"values in 0..1, not 0..255"),
    (BGR / 127.5 - 1, r"values in 0..1, not -1..1"),
    (np.full((4, 4, 3), np.nan), "values in 0..1, not nan"),
    (BGR.astype(np.int64), "not int64"),
    (BGR > 4, "not bool"),
    (BGR[None], "batch one by one"),
    (np.zeros((4, 5, 4), np.uint8), "drop the transparency"),
    (np.zeros((4, 5, 2), np.uint8), r"not \(4, 5, 2\)"),
    (np.zeros((0, 5, 3), np.uint8), "empty"),
    (BGR.tolist(), "not list"),
    (None, "not NoneType"),
])
def test_anything_else_is_refused_with_its_reason(frame, message):
    with pytest.raises(TrackerError, match=message):
        as_bgr(frame)


def test_a_tracker_is_told_the_order_of_the_channels_once():
    boxes = [np.array([60 + 4 * step, 50, 40, 30]) for step in range(5)]
    found = []
    for colour, form in (("bgr", lambda frame: frame),
                         ("rgb", lambda frame: torch.from_numpy(frame[..., ::-1].copy()).permute(2, 0, 1) / 255)):
        one = tracker.load(colour=colour)
        one.init(form(red_frame(boxes[0])), boxes[0].tolist())
        found.append([one.update(form(red_frame(box))).box for box in boxes[1:]])
    np.testing.assert_array_equal(*found)
    with pytest.raises(TrackerError, match="'gbr': frames are one of bgr, rgb"):
        tracker.load(colour="gbr")


@pytest.mark.parametrize("box", [[1, 2, 3], None, "target", [[1, 2], [3]]])
def test_a_box_is_four_numbers(box):
    with pytest.raises(TrackerError, match="four numbers"):
        tracker.load().init(BGR, box)
