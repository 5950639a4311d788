"""The trackers that come with the package."""

import copy
import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tracker
from eval.boxes import iou
from tests.tracker.conftest import red_frame
from tracker.errors import CheckpointError
from tracker.packed import load_packed
from tracker.ready import READY, READY_MODEL


@pytest.mark.parametrize("name", READY)
def test_they_follow_what_they_were_shown_without_training(name):
    boxes = np.array([(60 + 4 * step, 50 + 3 * step, 40 * 1.01**step, 30 * 1.01**step) for step in range(20)])
    ready = tracker.load(name)
    ready.init(red_frame(boxes[0], (240, 320)), boxes[0])
    results = [ready.update(red_frame(box, (240, 320))) for box in boxes[1:]]
    assert iou(np.stack([result.box for result in results]), boxes[1:]).mean() > 0.75
    assert not any(result.lost for result in results)


def test_their_card_is_of_these_files():
    card = READY_MODEL.with_name("MODEL_CARD.md").read_text()
    for file in READY.values():
        assert hashlib.sha256(file.read_bytes()).hexdigest() in card
        assert f"{file.stat().st_size:,} bytes" in card
    network, _ = load_packed(READY_MODEL)
    plan = network.packed.metadata["plan"]
    assert (plan["budget"], plan["strategy"]) == (0.3, "mixbin") and f"{plan['ratio']:.3f}".lstrip("0") in card


def test_they_are_under_a_megabyte():
    assert all(file.stat().st_size < 1e6 for file in READY.values())


def test_copies_share_weights_and_run_in_threads_of_their_own():
    first = tracker.load()
    boxes = np.array([(60 + 4 * step, 50 + 3 * step, 40.0, 30.0) for step in range(12)])
    frames = [red_frame(box, (240, 320)) for box in boxes]
    first.init(frames[0], boxes[0])
    expected = [copy.copy(first).update(frames[1]).box, *follow(copy.copy(first), frames[1:])]
    np.testing.assert_array_equal(expected[0], expected[1])
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: follow(copy.copy(first), frames[1:]), range(4)):
            np.testing.assert_array_equal(found, expected[1:])
    own, other = (one.network.packed.programs["features"] for one in (first, copy.copy(first)))
    assert own is other


def follow(one, frames):
    return [one.update(frame).box for frame in frames]


@pytest.mark.parametrize("name", ["", "none.pth"])
def test_a_name_that_is_no_file_is_not_taken_for_the_ready_one(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError):
        tracker.load(name)
