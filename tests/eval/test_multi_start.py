from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_ins import Static

from datasets.errors import DataError
from datasets.sequence import Sequence
from eval import multi_start
from eval.multi_start import Options, difference, runs, target_scores, track_runs, write_runs

SHORT = Options(every=4, length=3, least=2)


def still(frames, hidden=()):
    """A sequence whose target does not move, absent in the frames named."""
    boxes = np.tile([5.0, 8, 12, 10], (frames, 1))
    visible = ~np.isin(np.arange(frames), hidden)
    return Sequence("still", "made", tuple(Path(f"{index}.png") for index in range(frames)), boxes, visible)


def listed(sequence, options=SHORT):
    return [run.tolist() for run in runs(sequence, options)]


def test_runs_start_at_every_so_many_frames_forward_and_backward():
    assert listed(still(10)) == [[0, 1, 2], [4, 5, 6], [4, 3, 2], [8, 9], [8, 7, 6]]


def test_runs_of_the_usual_options_are_bounded():
    assert [(run[0], len(run), run[-1] - run[0]) for run in runs(still(100), Options())] == [
        (0, 40, 39), (45, 40, 39), (45, 40, -39), (90, 40, -39)]


def test_a_start_without_target_moves_to_the_next_frame_that_shows_it():
    assert listed(still(10, hidden=[4, 5])) == [[0, 1, 2], [6, 7, 8], [6, 5, 4], [8, 9], [8, 7, 6]]
    boxes = still(10).boxes
    boxes[0] = [5, 8, 0, 10]
    assert listed(replace(still(10), boxes=boxes))[0] == [1, 2, 3]


def test_starts_that_meet_are_one_and_there_may_be_none():
    assert listed(still(10, hidden=range(8))) == [[8, 9], [8, 7, 6]]
    assert listed(still(10, hidden=range(10))) == listed(still(1)) == []


@given(st.integers(1, 200), st.integers(1, 60), st.integers(2, 50), st.integers(2, 50), st.sets(st.integers(0, 199)))
def test_every_run_starts_at_a_shown_target_and_keeps_its_bounds(frames, every, length, least, hidden):
    length = max(length, least)
    sequence = still(frames, hidden=list(hidden))
    found = runs(sequence, Options(every, length, least))
    for run in found:
        assert sequence.visible[run[0]]
        assert least <= len(run) <= length
        assert run.min() >= 0 and run.max() < frames
        assert len(set(np.diff(run))) == 1
    assert len({(run[0], run[1]) for run in found}) == len(found)


def test_a_tracker_sees_each_run_from_its_true_box(sequences):
    quick = sequences[2]  # 6 frames, three pixels a frame
    boxes = track_runs(Static(), quick, SHORT)
    assert [track[:, 0].tolist() for track in boxes] == [[5, 5, 5], [17, 17], [17, 17, 17]]


def test_scores_are_means_over_frames_then_runs_without_the_start_and_absent_frames(tmp_path):
    sequence = replace(still(10, hidden=[2]), name="a")
    half = np.array([0, 0, 0, -5.0])  # half the height: overlap .5
    tracks = [sequence.boxes[run] for run in runs(sequence, SHORT)]
    tracks[0] = tracks[0] + half  # frames 0 (the start), 1 (half), 2 (absent)
    tracks[0][0] = sequence.boxes[0]
    write_runs(tmp_path, sequence, SHORT, tracks)
    assert target_scores(tmp_path, [sequence], SHORT) == {"a": pytest.approx((0.5 + 4) / 5)}


def test_a_target_without_a_run_to_score_is_left_out(tmp_path):
    for sequence in (still(1), still(10, hidden=range(1, 10))):
        empty = replace(sequence, name=f"of {len(sequence)}")
        write_runs(tmp_path, empty, SHORT, [sequence.boxes[run] for run in runs(sequence, SHORT)])
        assert multi_start.is_done(tmp_path, empty, SHORT)
        assert target_scores(tmp_path, [empty], SHORT) == {}


def test_only_whole_runs_of_the_same_options_and_truth_count_as_done(tmp_path):
    sequence = still(10)
    write_runs(tmp_path, sequence, SHORT, [sequence.boxes[run] for run in runs(sequence, SHORT)])
    assert multi_start.is_done(tmp_path, sequence, SHORT)
    for other in (replace(SHORT, every=5), replace(SHORT, length=4), replace(SHORT, least=3)):
        assert not multi_start.is_done(tmp_path, sequence, other)
    assert not multi_start.is_done(tmp_path, replace(sequence, boxes=sequence.boxes + 1), SHORT)
    assert not multi_start.is_done(tmp_path, still(9), SHORT)
    file, = tmp_path.rglob("still.csv")
    whole = file.read_text()
    for damaged in (whole[:-40], whole + "0,0,1\n", "", "\x00"):
        file.write_text(damaged)
        assert not multi_start.is_done(tmp_path, sequence, SHORT)
        with pytest.raises(DataError, match=r"still\.csv"):
            target_scores(tmp_path, [sequence], SHORT)


def test_differences_are_paired_over_shared_targets():
    ours, theirs = {"a": 0.5, "b": 0.7, "only": 0}, {"a": 0.4, "b": 0.4, "other": 1}
    found = difference(ours, theirs)
    assert (found.mean, found.targets) == (pytest.approx(0.2), 2)
    assert found.stderr == pytest.approx(np.std([0.1, 0.3], ddof=1) / np.sqrt(2))
    assert difference({"a": 0.5}, theirs).stderr is None
    assert difference({"x": 0.5}, theirs) is None


@pytest.mark.parametrize(("options", "text"), [
    (dict(every=0), "--start-every 0"), (dict(least=1), "--least-frames 1"), (dict(length=14), "--run-frames 14"),
])
def test_options_out_of_range_are_named(options, text):
    with pytest.raises(DataError, match=text):
        Options(**options)
