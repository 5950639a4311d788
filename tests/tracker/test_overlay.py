"""What is drawn: colours and dashes tell the state, trails the way, and the frame itself is left alone."""

import numpy as np
import pytest

from tracker.overlay import COLOURS, LOST, Followed, draw
from tracker.track import Result

IMAGE = np.full((240, 320, 3), 60, np.uint8)
BOX = np.array([100.0, 100, 60, 40])


def followed(*results):
    one = Followed(results[0].box)
    for result in results[1:]:
        one.see(result)
    return one


def pixels(image, colour):
    """Rows and columns that have about the colour; lines are smoothed."""
    return np.argwhere((abs(image.astype(int) - colour) < 60).all(2))


def test_a_box_has_the_colour_of_its_object_and_is_grey_and_dashed_while_lost():
    tracked = draw(IMAGE, [followed(Result(BOX, 0.9, False))], 0.01)
    lost = draw(IMAGE, [followed(Result(BOX, 0.9, False), Result(BOX, 0.1, True))], 0.01)
    assert (tracked[140, 104:156] == COLOURS[0]).all()
    assert 10 < len(pixels(lost[140:141, 104:156], LOST)) < 45
    assert len(pixels(lost, COLOURS[0])) == 0


def test_what_is_found_again_is_glided_to_and_what_is_tracked_is_drawn_where_it_is():
    one = followed(Result(BOX, 0.9, False), Result(BOX, 0.1, True))
    drawn = []
    for _ in range(12):
        one.see(Result(BOX + np.array([80, 0, 0, 0]), 0.9, False))
        drawn.append(one.box[0])
    assert drawn[0] == 100 and drawn == sorted(drawn) and drawn[-1] == pytest.approx(180, abs=1)
    assert np.diff(drawn).max() < 80 / 2
    assert one.trail[0] == (210, 120), "the trail is of where it is"
    one.see(Result(BOX, 0.9, False))
    assert one.box[0] == pytest.approx(100, abs=1)


def test_objects_have_colours_of_their_own_and_more_than_there_are_colours_can_be_drawn():
    objects = [followed(Result(BOX + np.array([0, 3, 0, 0]) * place, 0.9, False)) for place in range(len(COLOURS) + 1)]
    image = draw(IMAGE, objects, 0.01)
    assert all(len(pixels(image, colour)) for colour in COLOURS)
    assert len({*COLOURS, LOST}) == len(COLOURS) + 1


def test_the_trail_is_where_the_centre_was_and_ends_where_the_object_was_lost():
    way = [Result(BOX + np.array([4, 0, 0, 0]) * step, 0.9, False) for step in range(6)]
    one = followed(*way)
    assert list(one.trail) == [(130 + 4 * step, 120) for step in range(6)]
    columns = pixels(draw(IMAGE, [one], 0.01)[120:121, 122:178], COLOURS[0])[:, 1]
    assert columns.min() >= 130 - 122 - 2 and columns.max() <= 150 - 122 + 3 and len(columns) >= 18
    one.see(Result(BOX, 0.1, True))
    assert not one.trail
    for _ in range(100):
        one.see(way[0])
    assert len(one.trail) == 30, "it is short"


def test_the_frame_is_left_alone_and_any_box_can_be_drawn():
    image = IMAGE.copy()
    for box in ([-1e5, -1e5, 2e5, 2e5], [-80, -50, 20, 20], [400, 300, 5, 5], [0, 0, 1, 1]):
        assert draw(image, [followed(Result(np.array(box, float), 0.1, True))], 0.01).shape == image.shape
    assert draw(np.zeros((4, 5, 3), np.uint8), [followed(Result(BOX, 1.0, False))], 0.01).shape == (4, 5, 3)
    assert (image == IMAGE).all()


@pytest.mark.parametrize("zoom", [0.5, 2.0])
def test_an_enlarged_copy_has_its_boxes_where_they_belong(zoom):
    image = draw(IMAGE, [followed(Result(BOX, 0.9, False))], 0.01, zoom)
    assert image.shape == (240 * zoom, 320 * zoom, 3)
    assert (image[round(140 * zoom), round(130 * zoom)] == COLOURS[0]).all()
