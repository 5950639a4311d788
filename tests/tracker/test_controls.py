"""Keys and mouse, without a window."""

import numpy as np
import pytest

from tracker.controls import KEYS, Controls


@pytest.fixture
def controls():
    """Of a file, held on its first frame."""
    return Controls((100, 80), paused=True, live=False)


def drag(controls, x1, y1, x2, y2):
    controls.press(x1, y1)
    controls.move((x1 + x2) / 2, y2)
    controls.release(x2, y2)


def press(controls, keys):
    for key in keys:
        controls.key(ord(key))


def start(controls, objects):
    """So many objects, drawn and taken."""
    for number in range(objects):
        press(controls, "n")
        drag(controls, 10 * number, 10, 10 * number + 8, 30)
    press(controls, " ")
    controls.objects = len(controls.take_drawn())


@pytest.mark.parametrize(("corners", "box"), [
    ((10, 20, 40, 60), [10, 20, 30, 40]), ((40, 60, 10, 20), [10, 20, 30, 40]),
    ((90, 70, 150, 200), [90, 70, 10, 10]), ((5, 5, -9, -9), [0, 0, 5, 5]),
])
def test_a_drag_in_any_direction_is_a_box_inside_the_frame(controls, corners, box):
    drag(controls, *corners)
    assert controls.drawn[0].tolist() == box


def test_clicks_and_drags_outside_are_no_boxes(controls):
    drag(controls, 10, 10, 12, 40)
    drag(controls, 120, 10, 150, 40)
    assert not controls.drawn


def test_a_file_waits_for_its_first_box_and_then_goes_on(controls):
    press(controls, " ")
    assert controls.paused
    drag(controls, 10, 10, 30, 30)
    press(controls, " ")
    assert not controls.paused
    assert list(controls.take_drawn()) == [0]
    assert not controls.take_drawn(), "taken once"


@pytest.mark.parametrize("key", [" ", "\r", "\n"])
def test_space_and_enter_pause_and_go_on(controls, key):
    start(controls, 1)
    press(controls, key)
    assert controls.paused
    press(controls, key)
    assert not controls.paused


def test_a_second_drag_corrects_the_box(controls):
    drag(controls, 10, 10, 30, 30)
    drag(controls, 50, 50, 60, 70)
    assert [box.tolist() for box in controls.drawn.values()] == [[50, 50, 10, 20]]


def test_next_object_needs_a_box_before_there_is_another(controls):
    drag(controls, 10, 10, 30, 30)
    press(controls, "nnn")
    drag(controls, 50, 50, 60, 70)
    assert list(controls.drawn) == [0, 1]


def test_next_object_while_playing_pauses_for_a_further_one(controls):
    start(controls, 2)
    press(controls, "n")
    assert (controls.paused, controls.current) == (True, 2)
    press(controls, " ")
    assert controls.current == 1, "it got no box"


def test_re_select_pauses_and_goes_around_the_objects(controls):
    start(controls, 3)
    seen = []
    for _ in range(4):
        press(controls, "r")
        seen.append(controls.current)
    assert controls.paused
    assert seen == [2, 0, 1, 2], "first the one that was selected last"
    drag(controls, 50, 50, 60, 70)
    assert list(controls.drawn) == [2]


def test_a_live_source_goes_on_without_a_box():
    controls = Controls((100, 80), paused=False, live=True)
    assert "Space" in controls.message()
    for paused in (True, False):
        press(controls, " ")
        assert controls.paused is paused


def test_snapshot_and_quit(controls):
    press(controls, "s")
    assert controls.snapshot and not controls.closed
    press(controls, "q")
    assert controls.closed


def test_capital_letters_and_other_keys(controls):
    press(controls, "xyz7")
    assert not controls.snapshot and not controls.closed and controls.paused
    press(controls, "S")
    assert controls.snapshot
    controls.key(27)
    assert controls.closed


def test_the_line_says_what_can_be_done(controls):
    assert "mouse" in controls.message()
    drag(controls, 10, 10, 30, 30)
    assert "Space starts" in controls.message() and "object 1" in controls.message()
    press(controls, " ")
    controls.objects = len(controls.take_drawn())
    assert not controls.message()
    press(controls, "n")
    assert "object 2" in controls.message()
    press(controls, " r")
    assert "Paused" in controls.message()
    assert [key for key, _ in KEYS] == ["Space", "R", "N", "S", "Q"]


def test_boxes_are_arrays_of_floats(controls):
    drag(controls, 10, 10, 30, 30)
    assert controls.drawn[0].dtype == np.float64


def test_the_mouse_button_holds_a_running_video(controls):
    start(controls, 1)
    assert not controls.paused
    drag(controls, 10, 10, 40, 40)
    assert controls.paused and controls.drawn[0].tolist() == [10, 10, 30, 30]
