"""The online tracker around a network that always knows the answer."""

import copy
import pickle

import numpy as np
import pytest
import torch

from eval.boxes import iou
from tests.tracker.conftest import TINY, red_frame
from tracker.errors import TrackerError
from tracker.models import build_network
from tracker.online import SiameseTracker


def track(tracker, boxes, size=(240, 320)):
    tracker.init(red_frame(boxes[0], size), np.array(boxes[0], float))
    return [tracker.update(red_frame(box, size)) for box in boxes[1:]]


def test_follows_a_moving_growing_target(red_detector):
    boxes = [(60 + 4 * i, 50 + 3 * i, 40 * 1.02 ** i, 30 * 1.02 ** i) for i in range(30)]
    results = track(SiameseTracker(red_detector), boxes)
    overlaps = iou(np.stack([result.box for result in results]), np.array(boxes[1:]))
    assert overlaps.min() > 0.75
    assert all(result.score > 0.9 and not result.lost for result in results)


def test_a_vanished_target_scores_zero_becomes_lost_and_stays_where_it_was(red_detector):
    tracker = SiameseTracker(red_detector)
    results = track(tracker, [(100, 100, 40, 40)] * 3 + [None] * 20)
    assert results[-1].lost and results[-1].score < 0.01
    assert not results[2].lost, "one weak frame is no loss"
    assert np.hypot(*(results[-1].box[:2] - (100, 100))) < 60


def test_a_lost_target_is_found_again_elsewhere(red_detector):
    tracker = SiameseTracker(red_detector)
    results = track(tracker, [(100, 100, 40, 40)] * 3 + [None] * 14 + [(200, 110, 40, 40)] * 20)
    assert any(result.lost for result in results)
    assert not results[-1].lost
    assert iou(results[-1].box[None], np.array([[200.0, 110, 40, 40]]))[0] > 0.7


@pytest.mark.parametrize("size", [(20, 30), (64, 64)])
def test_frames_smaller_than_the_crop(red_detector, size):
    results = track(SiameseTracker(red_detector), [(8, 6, 8, 8)] * 5, size)
    assert iou(results[-1].box[None], np.array([[8.0, 6, 8, 8]]))[0] > 0.6


def test_a_box_partly_outside_the_frame(red_detector):
    results = track(SiameseTracker(red_detector), [(-15, 100, 40, 40)] * 5)
    assert np.isfinite(results[-1].box).all()
    assert iou(results[-1].box[None], np.array([[0.0, 100, 25, 40]]))[0] > 0.4


def test_a_one_pixel_box_and_grey_frames(tiny_network):
    tracker = SiameseTracker(tiny_network)
    frame = np.random.default_rng(0).integers(0, 255, (120, 160), np.uint8)
    for grey in (frame, frame[..., None]):
        tracker.init(grey, np.array([50, 40, 1, 1]))
        result = tracker.update(grey)
        assert np.isfinite(result.box).all() and (result.box[2:] >= 1).all()
        assert 0 <= result.score <= 1


def test_one_network_call_a_frame(tiny_network, monkeypatch):
    calls = []
    features = tiny_network.features
    monkeypatch.setattr(tiny_network, "features", lambda crops: (calls.append(1), features(crops))[1])
    tracker = SiameseTracker(tiny_network)
    track(tracker, [(100, 100, 40, 40)] * 4)
    assert len(calls) == 1 + 3


def test_networks_take_crops_as_bytes_and_answer_as_to_floats():
    for model in ({"type": "siamfc"}, TINY):
        network = build_network(model).eval()
        crops = torch.randint(0, 256, (1, 3, 127, 127), dtype=torch.uint8)
        with torch.no_grad():
            assert torch.equal(network.features(crops), network.features(crops.float()))


def test_siamfc_searches_scales_in_one_call():
    network = build_network({"type": "siamfc"})
    tracker = SiameseTracker(network)
    results = track(tracker, [(100, 100, 40, 40)] * 3)
    assert np.isfinite(results[-1].box).all()


@pytest.mark.parametrize(("box", "message"), [
    ((10, 10, 0, 5), "no area"),
    ((10, 10, -3, 5), "no area"),
    ((float("nan"), 10, 3, 5), "not finite"),
    ((320, 10, 5, 5), "outside the frame of 320x240"),
    ((-6, 10, 5, 5), "outside"),
])
def test_bad_boxes_are_refused(tiny_network, box, message):
    with pytest.raises(TrackerError, match=message):
        SiameseTracker(tiny_network).init(red_frame(None), np.array(box))


def test_frames_that_are_no_images_are_refused(tiny_network):
    tracker = SiameseTracker(tiny_network)
    with pytest.raises(TrackerError, match="before init"):
        tracker.update(red_frame(None))
    for frame in (np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4, 3), np.uint8), None):
        with pytest.raises(TrackerError, match="a frame is"):
            tracker.init(frame, np.array([1, 1, 2, 2]))


def test_unknown_tracking_options_are_named(tiny_network):
    with pytest.raises(TrackerError, match=r"tracking\.speed"):
        SiameseTracker(tiny_network, {"speed": 1})


def test_a_deep_copy_goes_its_own_way_with_the_same_weights(red_detector):
    tracker = SiameseTracker(red_detector)
    track(tracker, [(100, 100, 40, 40)] * 2)
    wanderer, twin = copy.deepcopy(tracker), copy.deepcopy(tracker)
    wanderer.update(red_frame((140, 100, 40, 40)))
    found, expected = (each.update(red_frame((104, 100, 40, 40))).box for each in (tracker, twin))
    assert np.array_equal(found, expected) and twin.network is tracker.network


def test_it_says_what_it_is_and_refuses_to_be_pickled(red_detector):
    tracker = SiameseTracker(red_detector)
    assert "no target yet" in repr(tracker) and "torch, cpu" in repr(tracker)
    tracker.init(red_frame((60, 50, 40, 30)), (60, 50, 40, 30))
    assert repr(tracker).endswith(", bgr, tracking>")
    with pytest.raises(TrackerError, match="load it in each process"):
        pickle.dumps(tracker)
