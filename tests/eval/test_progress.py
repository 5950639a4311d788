from dataclasses import replace

import numpy as np
import pytest
from stand_ins import Static

from eval import results
from eval.progress import RunningAO, sequence_bar
from eval.protocols import BENCHMARKS
from eval.runner import Done, TrackerSpec


@pytest.fixture
def finish(tmp_path, sequences):
    """Write the results of a sequence, right or all over the place, and tell of it."""
    def make(index, right=True, tracker="a", error=None):
        sequence = sequences[index]
        boxes = sequence.boxes if right else np.vstack([sequence.boxes[:1], sequence.boxes[1:] + 500])
        if error is None:
            results.write_track(tmp_path / tracker, sequence, boxes, np.ones(len(sequence)), origin=0)
        return Done(TrackerSpec(tracker, Static, "checkpoint.pth", "hash"), sequence, error)

    return make


def test_the_ao_so_far_is_over_frames_and_for_each_tracker_by_itself(tmp_path, finish):
    running = RunningAO(BENCHMARKS["got10k"], tmp_path)
    assert running.after(finish(0)) == "AO 1.000"
    assert running.after(finish(0, right=False, tracker="b")) == "AO 0.000"
    # 3 frames right, 5 wrong: the first frames do not count.
    assert running.after(finish(2, right=False)) == "AO 0.375"


def test_a_failed_sequence_changes_nothing(tmp_path, finish):
    running = RunningAO(BENCHMARKS["got10k"], tmp_path)
    assert running.after(finish(0, error="broken")) == ""
    running.after(finish(0))
    assert running.after(finish(1, error="broken")) == "AO 1.000"


def test_without_published_truth_there_is_no_ao(tmp_path, finish):
    done = finish(0)
    hidden = replace(done, sequence=replace(done.sequence, boxes=done.sequence.boxes[:1]))
    assert RunningAO(BENCHMARKS["got10k"], tmp_path).after(hidden) == ""


def test_the_bar_is_silent_where_nobody_looks(tmp_path, finish, capsys):
    with sequence_bar(1, BENCHMARKS["got10k"], tmp_path) as on_done:
        on_done(finish(0))
    assert capsys.readouterr() == ("", "")
