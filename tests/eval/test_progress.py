from dataclasses import replace

import numpy as np
import pytest
from stand_ins import Static

from eval import progress, results
from eval.progress import RunningAO, TimeLeft, sequence_bar
from eval.protocols import BENCHMARKS
from eval.runner import Done, Task, TrackerSpec


@pytest.fixture
def finish(tmp_path, sequences):
    """Write the results of a sequence, right or all over the place, and tell of it."""
    def make(index, right=True, tracker="a", error=None):
        sequence = sequences[index]
        boxes = sequence.boxes if right else np.vstack([sequence.boxes[:1], sequence.boxes[1:] + 500])
        if error is None:
            results.write_track(tmp_path / tracker, sequence, boxes, np.ones(len(sequence)), origin=0)
        return Done(Task(TrackerSpec(tracker, Static, "checkpoint.pth", "hash"), sequence), error)

    return make


def test_the_ao_so_far_is_over_frames_and_for_each_tracker_by_itself(tmp_path, finish):
    running = RunningAO(BENCHMARKS["got10k"], tmp_path)
    assert running.after(finish(0)) == "AO 1.000"
    assert running.after(finish(0, right=False, tracker="b")) == "AO .000"
    # 3 frames right, 5 wrong: the first frames do not count.
    assert running.after(finish(2, right=False)) == "AO .375"


def test_a_failed_sequence_changes_nothing(tmp_path, finish):
    running = RunningAO(BENCHMARKS["got10k"], tmp_path)
    assert running.after(finish(0, error="broken")) == ""
    running.after(finish(0))
    assert running.after(finish(1, error="broken")) == "AO 1.000"


def test_without_published_truth_there_is_no_ao(tmp_path, finish):
    done = finish(0)
    sequence = replace(done.task.sequence, boxes=done.task.sequence.boxes[:1])
    hidden = replace(done, task=replace(done.task, sequence=sequence))
    assert RunningAO(BENCHMARKS["got10k"], tmp_path).after(hidden) == ""


def test_time_left_is_by_frames_and_forgets_what_was_finished_before(finish):
    done = [finish(index) for index in range(3)]  # 4, 5 and 6 frames
    now = iter([0.0, 100.0, 110.0, 120.0])
    left = TimeLeft([one.task for one in done], lambda: next(now))
    assert left.after(replace(done[0], kept=True)) == ""
    assert left.after(done[1]) == "about 12 s left"
    assert left.after(done[2]) == ""


@pytest.mark.parametrize(("seconds", "text"), [(0.1, "1 s"), (89, "89 s"), (200, "3 min"), (9000, "2.5 h")])
def test_durations_are_short(seconds, text):
    assert progress._duration(seconds) == text


def test_in_a_pipe_there_is_a_line_now_and_then_and_one_after_the_last(tmp_path, finish, capsys, monkeypatch):
    done = [finish(index) for index in range(3)]
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with sequence_bar([one.task for one in done], BENCHMARKS["got10k"], tmp_path, "walk") as on_done:
        for one, seconds in zip(done, (11, 12, 13), strict=True):
            now[0] = seconds
            on_done(one)
    said = capsys.readouterr()
    assert said.out == ""
    first, last = said.err.splitlines()
    assert first.startswith("1/3 walk a AO 1.000, about ")
    assert last == "3/3 walk a AO 1.000"


def test_on_a_terminal_there_is_a_bar_that_leaves_nothing(tmp_path, finish, capsys, monkeypatch):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    with sequence_bar([finish(0).task], BENCHMARKS["got10k"], tmp_path, "walk") as on_done:
        on_done(finish(0))
    assert "1/3" not in capsys.readouterr().err
