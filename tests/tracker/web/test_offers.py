"""What a page is offered, and that no name tells an address or a folder of the server."""

from pathlib import Path

import pytest

from tests.tracker.web.conftest import CHOICES
from tracker.errors import OptionError, TrackerError
from tracker.web.offers import Offers, for_the_page
from tracker.web.trackers import shortest

SECRET = "rtsp://admin:secret@10.0.0.5:554/stream?key=secret"


def test_cameras_have_names_without_passwords():
    others = ("http://10.0.0.5/other", "rtsp://10.0.0.6/", "rtsp://[", "rtsp:///x")
    offers = Offers(CHOICES, cameras=("0", SECRET, SECRET, *others))
    names = offers.describe()["cameras"]
    assert names[:4] == ["Camera 0", "Camera at 10.0.0.5", "Camera at 10.0.0.5 (2)", "Camera at 10.0.0.6"]
    assert len(set(names)) == len(names) == 6
    assert "secret" not in repr(offers.describe())
    assert [offers.camera(name) for name in names] == ["0", SECRET, *others]


@pytest.mark.parametrize("name", [SECRET, "0", "Camera 1", ""])
def test_addresses_of_cameras_are_no_names(name):
    with pytest.raises(TrackerError, match="no such camera"):
        Offers(CHOICES, cameras=("0", SECRET)).camera(name)


def test_errors_are_told_without_options_and_paths():
    assert for_the_page(OptionError("--out", Path("/srv/x.mp4"), "cannot be written")) == "cannot be written"
    assert for_the_page(TrackerError("no such video")) == "no such video"


@pytest.mark.parametrize(("paths", "names"), [
    (["a/b/fp", "a/c/mixbin"], ["fp", "mixbin"]),
    (["a/b/fp", "a/c/fp", "d"], ["b/fp", "c/fp", "d"]),
    (["fp", "a/fp"], ["fp", "a/fp"]),
    (["x/b", "ab"], ["b", "ab"]),
    (["a/b", "a/b"], ["b", "b (2)"]),
])
def test_trackers_are_named_by_the_end_of_their_path_that_tells_them_apart(paths, names):
    assert shortest([tuple(path.split("/")) for path in paths]) == names
