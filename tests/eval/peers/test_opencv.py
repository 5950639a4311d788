import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.errors import DataError
from datasets.opencv import cv2
from eval.boxes import iou
from eval.peers import opencv
from eval.peers.opencv import OpenCvTracker, whole_box


@pytest.mark.parametrize("name", opencv.TITLES)
def test_target_is_followed_the_same_way_twice(walk, name):
    if not opencv.is_available(name):
        pytest.skip(opencv.why_missing(name))
    frames, boxes = walk

    def follow():
        tracker = OpenCvTracker(name, threads=1)
        tracker.init(frames[0], boxes[0])
        return np.stack([tracker.update(frame).box for frame in frames[1:]])

    found = follow()
    assert iou(found, boxes[1:]).min() > 0.3
    assert (follow() == found).all()


class Stub:
    """Answers what it was given, one after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def init(self, frame, box):
        self.box = box

    def update(self, frame):
        return self.answers.pop(0)


def test_lost_target_keeps_its_last_box(monkeypatch):
    monkeypatch.setattr(cv2, "TrackerMIL_create", lambda: Stub((True, (5, 6, 7, 8)), (False, (0, 0, 0, 0))))
    tracker = OpenCvTracker("mil", threads=1)
    frame = np.zeros((50, 60, 3), np.uint8)
    tracker.init(frame, np.array([10.0, 10.0, 8.0, 8.0]))
    found, lost = tracker.update(frame), tracker.update(frame)
    assert (found.box.tolist(), found.score) == ([5, 6, 7, 8], 1)
    assert (lost.box.tolist(), lost.score) == ([5, 6, 7, 8], 0)


@given(st.tuples(st.floats(-100, 150), st.floats(-100, 150), st.floats(0.1, 300), st.floats(0.1, 300)))
def test_box_for_opencv_lies_in_the_frame_and_is_not_tiny(box):
    x, y, w, h = whole_box(np.array(box), np.zeros((90, 120, 3), np.uint8))
    assert 0 <= x < x + w <= 120
    assert 0 <= y < y + h <= 90
    assert min(w, h) >= opencv.MIN_SIDE


def test_box_within_the_frame_is_only_rounded():
    assert whole_box(np.array([10.4, 20.6, 30.0, 39.8]), np.zeros((90, 120, 3), np.uint8)) == (10, 21, 30, 39)


def test_tracker_of_the_contrib_build_says_what_to_install(monkeypatch):
    monkeypatch.delattr(cv2, "TrackerCSRT_create", raising=False)
    with pytest.raises(DataError, match=r"^csrt: this OpenCV build \(.*\) has no CSRT; install opencv-contrib-python "):
        OpenCvTracker("csrt", threads=1)
