import time
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
    boxes, times = track(recorder, sequence)
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
    _, times = track(stand_ins.Static(), sequences[0])
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
