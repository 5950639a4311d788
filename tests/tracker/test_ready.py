"""The tracker that comes with the package."""

import copy
import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import tracker
from eval.boxes import iou
from tests.tracker.conftest import red_frame
from tracker.packed import load_packed
from tracker.ready import READY_MODEL


def test_it_follows_what_it_was_shown_without_training():
    boxes = np.array([(60 + 4 * step, 50 + 3 * step, 40 * 1.01**step, 30 * 1.01**step) for step in range(20)])
    ready = tracker.load()
    ready.init(red_frame(boxes[0], (240, 320)), boxes[0])
    results = [ready.update(red_frame(box, (240, 320))) for box in boxes[1:]]
    assert iou(np.stack([result.box for result in results]), boxes[1:]).mean() > 0.75
    assert not any(result.lost for result in results)


def test_its_card_is_of_this_file():
    card = READY_MODEL.with_name("MODEL_CARD.md").read_text()
    assert hashlib.sha256(READY_MODEL.read_bytes()).hexdigest() in card
    assert f"{READY_MODEL.stat().st_size:,} bytes" in card
    network, _ = load_packed(READY_MODEL)
    plan = network.packed.metadata["plan"]
    assert (plan["budget"], plan["strategy"]) == (0.3, "mixbin") and f"{plan['ratio']:.3f}".lstrip("0") in card


def test_it_is_well_under_a_megabyte():
    assert READY_MODEL.stat().st_size < 2**20


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
