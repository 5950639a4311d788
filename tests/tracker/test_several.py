"""Several targets at once: each as if it were alone, all of them in one call of the network."""

import copy

import numpy as np
import pytest

from tests.tracker.conftest import TINY
from tracker import load
from tracker.errors import TrackerError
from tracker.models import build_network
from tracker.online import SiameseTracker
from tracker.several import SeveralTracker

BOXES = [np.array(box, float) for box in ([20, 30, 40, 30], [90, 60, 25, 50], [60, 10, 30, 30])]


@pytest.fixture
def frames():
    noise = np.random.default_rng(0).integers(0, 255, (12, 12, 3), np.uint8)
    picture = np.kron(noise, np.ones((12, 14, 1), np.uint8))
    return [np.roll(picture, 2 * shift, axis=1) for shift in range(5)]


def make_tracker(kind):
    if kind == "ready":
        return load()
    return SiameseTracker(build_network(TINY if kind == "tiny" else {"type": kind}))


@pytest.mark.parametrize("kind", ["ready", "tiny", "nanotrack", "siamfc"])
def test_each_is_tracked_as_if_it_were_alone(frames, kind):
    tracker = make_tracker(kind)
    several = SeveralTracker(tracker)
    several.init(frames[0], BOXES)
    alone = [copy.copy(tracker) for _ in BOXES]
    for one, box in zip(alone, BOXES, strict=True):
        one.init(frames[0], box)
    for frame in frames[1:]:
        for result, one in zip(several.update(frame), alone, strict=True):
            box, score, lost = one.update(frame)
            assert result.box == pytest.approx(box, abs=1e-2)
            assert result.score == pytest.approx(score, abs=1e-4)
            assert result.lost is lost


def test_all_share_one_call_of_the_network(frames, tiny_network, monkeypatch):
    crops = []
    features = tiny_network.features
    several = SeveralTracker(SiameseTracker(tiny_network))
    several.init(frames[0], BOXES)
    monkeypatch.setattr(tiny_network, "features", lambda batch: (crops.append(len(batch)), features(batch))[1])
    for frame in frames[1:]:
        several.update(frame)
    assert crops == [3] * 4


def test_targets_may_be_added_and_shown_anew(frames, tiny_network):
    several = SeveralTracker(SiameseTracker(tiny_network))
    assert several.update(frames[0]) == []
    several.select(frames[0], 0, BOXES[0])
    several.select(frames[1], 1, BOXES[1])
    before = several.update(frames[2])
    several.select(frames[2], 0, BOXES[2])
    after = several.update(frames[2])
    assert len(several) == len(before) == len(after) == 2
    # An untrained network's score is about 0, so the size stays that of the box.
    assert [one.box[2:].round().tolist() for one in before] == [[40, 30], [25, 50]]
    assert [one.box[2:].round().tolist() for one in after] == [[30, 30], [25, 50]]


def test_a_bad_box_changes_nothing(frames, tiny_network):
    several = SeveralTracker(SiameseTracker(tiny_network))
    several.init(frames[0], BOXES[:1])
    for boxes in ([BOXES[1], BOXES[2] + 1000], [np.array([5.0, 5, 0, 5])]):
        with pytest.raises(TrackerError, match="init box"):
            several.init(frames[0], boxes)
    assert len(several) == 1


def test_copies_of_a_tracker_go_on_alone(frames, tiny_network):
    tracker = SiameseTracker(tiny_network)
    tracker.init(frames[0], BOXES[0])
    twin = copy.copy(tracker)
    expected = [copy.copy(tracker).update(frames[1]).box]
    tracker.update(frames[3])
    assert np.array_equal(twin.update(frames[1]).box, expected[0])
