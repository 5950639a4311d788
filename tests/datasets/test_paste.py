import numpy as np
import pytest

from datasets.alpha import premultiply
from datasets.errors import DataError
from datasets.paste import PasteOptions, hides, paste

PLAIN = np.ones(3)


def block(x1, y1, x2, y2, size=100):
    """A grey rectangle as an object in an empty crop."""
    mask = np.zeros((size, size), np.uint8)
    mask[y1:y2, x1:x2] = 255
    return premultiply(np.full((size, size, 3), 100, np.uint8), mask)


def test_only_the_object_changes_the_picture():
    picture = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    result = paste(block(20, 30, 50, 60), picture, PLAIN)
    assert (result[30:60, 20:50] == 100).all()
    result[30:60, 20:50] = picture[30:60, 20:50]
    np.testing.assert_array_equal(result, picture)


def test_an_empty_crop_changes_nothing():
    picture = np.full((100, 100, 3), 7, np.uint8)
    np.testing.assert_array_equal(paste(np.zeros((100, 100, 4), np.uint8), picture, PLAIN), picture)


def test_tint_scales_channels_and_stays_below_alpha():
    result = paste(block(0, 0, 100, 100), np.zeros((100, 100, 3), np.uint8), np.array([0.5, 1, 9]))
    assert result[50, 50].tolist() == [50, 100, 255]
    faint = np.full((4, 4, 4), 60, np.uint8)  # white, nearly transparent
    assert (paste(faint, np.zeros((4, 4, 3), np.uint8), np.full(3, 9.0)) == 60).all()


@pytest.mark.parametrize(("place", "hidden"), [
    ((0, 0, 30, 30), False),    # beside the box
    ((40, 40, 45, 80), False),  # an eighth of it
    ((40, 40, 57, 80), True),   # more than 0.3
    ((58, 58, 62, 62), True),   # little, but the centre
])
def test_a_distractor_hides_the_centre_or_too_much(place, hidden):
    assert hides(block(*place), np.array([40.0, 40, 80, 80]), 0.3) is hidden


def test_what_is_beyond_the_crop_cannot_be_hidden():
    assert hides(block(90, 40, 100, 80), np.array([88.0, 30, 190, 90]), 0.3)
    assert not hides(block(0, 0, 50, 100), np.array([120.0, 30, 190, 90]), 0.3)


@pytest.mark.parametrize("name", ["target", "distractor", "hidden", "tint"])
def test_shares_are_shares(name):
    with pytest.raises(DataError, match=f"{name} is 1.5; it must be from 0 to 1"):
        PasteOptions(**{name: 1.5})
