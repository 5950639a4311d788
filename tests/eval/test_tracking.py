import threading
import time
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import stand_ins

from datasets.errors import DataError
from eval import tracking
from eval.tracking import track


class Recorder(stand_ins.Static):
    """Notes what it is shown, and spoils the box that it was given."""

    def init(self, frame, box):
        self.frames, self.box = [frame], box.copy()
        box[:] = -1

    def update(self, frame):
        self.frames.append(frame)
        return SimpleNamespace(box=self.box.tolist())


def test_a_tracker_sees_every_frame_once_and_the_first_box_only(sequences):
    recorder, sequence = Recorder(), sequences[0]
    boxes, times, _ = track(recorder, sequence)
    assert len(recorder.frames) == len(sequence)
    assert (boxes == sequence.boxes[0]).all()
    assert boxes.shape == (4, 4) and boxes.dtype == np.float64
    assert times.shape == (4,) and (times >= 0).all()
    assert sequence.boxes[0, 0] == 5  # not spoiled


def test_times_are_those_of_the_tracker_without_decoding(sequences, monkeypatch):
    read = tracking.images.read

    def slow(path):
        time.sleep(0.3)
        return read(path)

    monkeypatch.setattr(tracking.images, "read", slow)
    times = track(stand_ins.Static(), sequences[0]).times
    assert times.max() < 0.3


@pytest.mark.parametrize("answer", [[1, 2, 3], [1, 2, 3, np.inf], np.ones((1, 4))])
def test_what_is_no_box_is_refused_with_the_frame(sequences, answer):
    tracker = stand_ins.Static()
    tracker.update = lambda frame: SimpleNamespace(box=answer)
    with pytest.raises(DataError, match=r"slow: the tracker answered .* to frame 1"):
        track(tracker, sequences[0])


def test_a_frame_that_cannot_be_read_is_named(sequences):
    sequences[0].frames[2].write_bytes(b"no image")
    with pytest.raises(DataError, match=r"00000003\.png"):
        track(stand_ins.Static(), sequences[0])


def test_frames_are_decoded_ahead_but_not_without_bound(sequences, monkeypatch):
    read, asked = tracking.images.read, []

    def noting(path):
        asked.append(path)
        return read(path)

    monkeypatch.setattr(tracking.images, "read", noting)
    monkeypatch.setattr(tracking, "AHEAD", 2)
    with closing(tracking.decoded(sequences[2].frames)) as frames:
        next(frames)
        while len(asked) < 3:  # the one that was taken, and two ahead
            time.sleep(0.001)
        time.sleep(0.05)
        assert asked == list(sequences[2].frames[:3])


def test_the_tracker_does_not_wait_for_frames_that_decode_as_fast_as_it_tracks(sequences, monkeypatch):
    read, tracker = tracking.images.read, stand_ins.Static()

    def slow(path):
        time.sleep(0.05)
        return read(path)

    def update(frame):
        time.sleep(0.05)
        return SimpleNamespace(box=tracker.box)

    monkeypatch.setattr(tracking.images, "read", slow)
    tracker.update = update
    start = time.perf_counter()
    track(tracker, sequences[2])
    assert time.perf_counter() - start < 0.05 * (2 * len(sequences[2]) - 2)


def test_the_decoders_thread_ends_with_the_tracker_that_fails(sequences):
    tracker = stand_ins.Broken()
    with pytest.raises(RuntimeError, match="out of range"):
        track(tracker, sequences[2])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decoder")]


def test_a_bad_frame_is_an_error_only_when_it_is_due(sequences):
    sequences[0].frames[3].write_bytes(b"no image")
    with closing(tracking.decoded(sequences[0].frames)) as frames:
        for _ in range(3):
            next(frames)
        with pytest.raises(DataError, match=r"00000004\.png"):
            next(frames)


def test_one_frame_is_a_sequence_too(sequences):
    one = replace(sequences[0], frames=sequences[0].frames[:1], boxes=sequences[0].boxes[:1])
    boxes, times, _ = track(stand_ins.Static(), one)
    assert (boxes == one.boxes).all() and times.shape == (1,)


@pytest.mark.parametrize("box", [[5, 8, 0, 10], [5, 8, 12, -1], [np.nan] * 4])
def test_a_first_box_without_area_is_refused(sequences, box):
    boxes = sequences[0].boxes.copy()
    boxes[0] = box
    with pytest.raises(DataError, match=r"slow: the first box .* has no area"):
        track(stand_ins.Static(), replace(sequences[0], boxes=boxes))
