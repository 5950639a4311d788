"""Which files can be opened: what lies in the folder, and nothing else."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracker.web.conftest import write_video
from tracker.errors import TrackerError
from tracker.web.limits import Limits
from tracker.web.videos import container, find_video, list_videos, open_video

FRAMES = [np.full((48, 64, 3), 10 * number, np.uint8) for number in range(12)]


@pytest.fixture
def folder(tmp_path):
    """Videos inside, one outside, and links of both kinds."""
    write_video(tmp_path / "outside.avi", FRAMES)
    write_video(tmp_path / "in/a.avi", FRAMES)
    (tmp_path / "in/notes.txt").write_text("no video")
    (tmp_path / "in/folder.avi").mkdir()
    (tmp_path / "in/inner.avi").symlink_to(tmp_path / "in/a.avi")
    (tmp_path / "in/leads-out.avi").symlink_to(tmp_path / "outside.avi")
    (tmp_path / "in/up").symlink_to(tmp_path)
    (tmp_path / "in/gone.avi").symlink_to(tmp_path / "in/nothing.avi")
    return tmp_path / "in"


def test_videos_of_the_folder_are_listed_and_no_others(folder):
    assert list_videos(folder) == ["a.avi", "inner.avi"]
    assert list_videos(None) == []


@pytest.mark.parametrize("name", [
    "../outside.avi", "..\\outside.avi", "..%2Foutside.avi", "%2e%2e/outside.avi", "./a.avi", "b/../a.avi",
    "up/outside.avi",
    "leads-out.avi", "up/in/a.avi", "", ".", "/", "a.avi/", "notes.txt", "A.AVI", "file:a.avi", "0",
])
def test_other_names_are_refused(folder, name):
    with pytest.raises(TrackerError, match="no such video"):
        find_video(folder, name)
    with pytest.raises(TrackerError, match="no such video"):
        find_video(folder, str(folder / "a.avi"))
    with pytest.raises(TrackerError, match="no such video"):
        find_video(None, name)


def test_a_video_opens_under_its_name(folder):
    source = open_video(find_video(folder, "a.avi"), "a.avi", Limits(), max_seconds=60)
    assert (source.name, source.count, len([source.first, *source.rest])) == ("a.avi", 12, 12)


@pytest.mark.parametrize(("limits", "seconds", "message"), [
    (replace(Limits(), video_side=63), None, "a.avi: frames of 64x48; at most 63"),
    (Limits(), 0.2, "a.avi: 0 seconds long; at most 0"),
])
def test_large_and_long_videos_are_refused(folder, limits, seconds, message):
    with pytest.raises(TrackerError, match=message):
        open_video(folder / "a.avi", "a.avi", limits, seconds)


@pytest.mark.parametrize("content", [b"", b"#EXTM3U\n/etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n",
                                     b"v=0\nc=IN IP4 127.0.0.1\n", b"<html>", b"\xff\xd8\xff"])
def test_playlists_and_other_files_called_videos_are_refused(folder, content):
    # A decoder would follow them to whatever they name.
    (folder / "list.mp4").write_bytes(content)
    with pytest.raises(TrackerError, match="no video of a known kind"):
        open_video(folder / "list.mp4", "list.mp4", Limits())


def test_a_cut_off_head_is_refused_without_the_servers_path(folder):
    (folder / "cut.avi").write_bytes((folder / "a.avi").read_bytes()[:40])
    with pytest.raises(TrackerError, match=r"cut\.avi: cannot be read") as error:
        open_video(folder / "cut.avi", "cut.avi", Limits())
    assert str(folder) not in str(error.value)


@given(st.binary(max_size=20))
def test_a_head_is_known_or_refused(head):
    with suppress(TrackerError):
        assert container(head) in (".mp4", ".mkv", ".avi", ".mpg")
