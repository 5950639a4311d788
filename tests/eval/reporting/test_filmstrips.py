import base64

import cv2
import numpy as np
import pytest
from stand_ins import truth, write_frames

from datasets.errors import DataError
from datasets.sequence import Sequence
from eval.reporting.filmstrips import FRAMES, choose, make_strip
from eval.reporting.looks import assign_looks

LOOKS = assign_looks("abcdefgh")


@pytest.fixture
def sequence(tmp_path):
    boxes = truth(13, step=5)
    return Sequence("walk", "otb", write_frames(tmp_path / "img", boxes), boxes, np.ones(13, dtype=bool))


def picture(uri):
    head, data = uri.split(",")
    assert head == "data:image/jpeg;base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR).astype(int)


def near(image, colour):
    return (np.abs(image - colour).max(axis=2) < 60).sum()


def test_the_best_the_worst_and_the_most_different_sequence_are_shown():
    scores = {"fp": np.array([0.9, 0.1, 0.8, 0.5]), "mixbin": np.array([0.9, 0.1, 0.2, 0.5])}
    assert choose(scores, "fp") == {0: "best on average", 1: "worst on average", 2: "largest difference to fp"}
    assert choose(scores, None)[2] == "largest difference between trackers"


def test_what_has_no_score_is_not_chosen():
    assert set(choose({"a": np.array([np.nan, 0.5, 0.4]), "b": np.array([0.1, 0.5, 0.4])}, "a")) == {1, 2}
    assert choose({"a": np.array([np.nan])}, None) == {}
    assert list(choose({"a": np.array([0.4])}, "a")) == [0]


def test_a_strip_runs_to_the_last_frame_and_says_how_well_each_tracker_does(sequence):
    down = sequence.boxes + np.array([0, 5, 0, 0])
    strip = make_strip(sequence, {"a": sequence.boxes, "b": down}, LOOKS, "worst")
    assert (strip.sequence, strip.why, len(strip.pictures)) == ("walk", "worst", FRAMES)
    assert strip.overlaps == pytest.approx({"a": 1, "b": 1 / 3})
    last = strip.pictures[-1]
    assert last.caption == "frame 13 of 13"
    assert last.alt == "walk, frame 13 of 13; overlap with the true box: a 1.00, b 0.33"


def test_boxes_are_drawn_in_their_trackers_colours(sequence):
    aside = sequence.boxes + np.array([30, 0, 0, 0])
    both, alone = (picture(make_strip(sequence, boxes, LOOKS, "").pictures[0].uri)
                   for boxes in ({"a": sequence.boxes, "b": aside}, {"a": sequence.boxes}))
    assert both.shape[1] == alone.shape[1] == 400
    assert near(both, LOOKS["a"].bgr) > 100
    assert near(both, LOOKS["b"].bgr) > 100 > near(alone, LOOKS["b"].bgr)


def test_frames_without_a_visible_target_show_no_true_box(sequence):
    aside = np.tile([70.0, 30, 9, 9], (13, 1))
    shown = make_strip(sequence, {"a": aside}, LOOKS, "").pictures[-1]
    sequence.visible[12] = False
    hidden = make_strip(sequence, {"a": aside}, LOOKS, "").pictures[-1]
    assert hidden.alt.endswith("no visible target")
    # Without the true box, the picture is cut to the tracker's alone.
    assert picture(hidden.uri).shape == picture(shown.uri).shape
    assert near(picture(hidden.uri), (255, 255, 255)) < near(picture(shown.uri), (255, 255, 255))


def test_wild_boxes_and_short_sequences_do_no_harm(sequence):
    wild = np.full((13, 4), 1e30)
    wild[12] = np.nan
    assert len(make_strip(sequence, {"a": wild}, LOOKS, "").pictures) == FRAMES
    still = Sequence("still", "otb", sequence.frames[:1], sequence.boxes[:1], np.ones(1, dtype=bool))
    assert len(make_strip(still, {"a": still.boxes}, LOOKS, "").pictures) == 1


def test_of_two_trackers_of_a_colour_one_has_dashed_boxes(sequence):
    aside = sequence.boxes + np.array([30, 0, 0, 0])
    assert LOOKS["a"].colour == LOOKS["g"].colour
    solid, dashed = (near(picture(make_strip(sequence, {name: aside}, LOOKS, "").pictures[0].uri), LOOKS["a"].bgr)
                     for name in "ag")
    assert 0.3 * solid < dashed < 0.8 * solid


def test_a_frame_that_is_gone_is_named(sequence):
    sequence.frames[12].unlink()
    with pytest.raises(DataError, match=r"00000013\.png"):
        make_strip(sequence, {"a": sequence.boxes}, LOOKS, "")
