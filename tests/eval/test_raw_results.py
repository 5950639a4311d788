import numpy as np
import pytest

from datasets.errors import DataError
from eval.ground_truth import Truth
from eval.raw_results import EXTRA, GAPS, MISSING, ROWS, UNREADABLE, find_results, read_tracks, same_names

THREE = "1,1,9,9\n2,1,9,9\n3,1,9,9\n"


@pytest.fixture
def results(tmp_path):
    """Writes result files of three good rows by path."""

    def write(*names: str):
        for name in names:
            path = tmp_path / "results" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(THREE)
        return tmp_path / "results"

    return write


def truth(name, frames=3):
    return Truth(name, np.tile([0.0, 0, 9, 9], (frames, 1)), None, None)


def read(folder, *names, frames=3):
    """Tracks and problems of the only tracker in `folder`."""
    [result] = find_results(folder, list(names))
    return read_tracks(result, [truth(name, frames) for name in names], 1, {})


@pytest.mark.parametrize("written", ["Jogging-1", "Jogging.1", "jogging_1", "JOGGING.1"])
def test_names_are_the_same_whatever_their_separators_and_case(written):
    assert same_names(["Jogging.1", "Jogging.2", "Bolt"])(written) == "Jogging.1"


def test_names_that_could_be_two_are_refused_unless_one_is_there_exactly():
    find = same_names(["car-1", "car_1", "car11"])
    assert find("car_1") == "car_1"
    assert find("car1") is None
    with pytest.raises(DataError, match=r"car\.1: could be car-1 or car_1"):
        find("car.1")


@pytest.mark.parametrize(("files", "trackers"), [
    (["A/a.txt", "A/b.txt", "B/a.txt"], ["A", "B"]),
    (["a.txt", "b.txt", "a_time.txt"], ["results"]),
    (["demo/fp/a.txt", "demo/fp/a_time.txt", "demo/fp/meta.json", "demo/mixbin-0.3/a.txt"],
     ["demo/fp", "demo/mixbin-0.3"]),
    (["A/a/a_001.txt", "A/a/a_002.txt", "A/a/a_time.txt", "A/b/b_001.txt"], ["A"]),
    (["a/a_001.txt", "b/b_001.txt"], ["results"]),
], ids=["folders", "one tracker", "our own", "got10k", "one tracker of got10k"])
def test_trackers_are_the_folders_that_hold_boxes(results, files, trackers):
    found = find_results(results(*files), ["a", "b"])
    assert [tracker.name for tracker in found] == trackers
    assert not any(tracker.extra for tracker in found)


def test_links_to_trackers_are_followed_but_not_in_circles(results, tmp_path):
    folder = results("A/a.txt")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.txt").write_text(THREE)
    (folder / "B").symlink_to(tmp_path / "elsewhere")
    (folder / "A/again").symlink_to(folder)
    assert [tracker.name for tracker in find_results(folder, ["a"])] == ["A", "B"]


def test_repeated_runs_are_all_scored(results):
    tracks, problems = read(results("A/a/a_001.txt", "A/a/a_002.txt", "A/a/a_003.txt"), "a")
    assert [track.name for track in tracks] == ["a"] * 3
    assert not problems


def test_two_files_for_one_sequence_are_refused_unless_one_has_its_name(results):
    folder = results("A/jogging_1.txt", "A/Jogging-1.txt")
    with pytest.raises(DataError, match=r"Jogging-1\.txt and jogging_1\.txt could both be Jogging\.1"):
        find_results(folder, ["Jogging.1"])
    [tracker] = find_results(results("A/Jogging.1.txt"), ["Jogging.1"])
    assert [file.name for file in tracker.files["Jogging.1"]] == ["Jogging.1.txt"]
    assert len(tracker.extra) == 2


@pytest.mark.parametrize("separator", [",", "\t", ";", " ", ", "])
def test_boxes_are_read_in_the_files_own_base_whatever_separates_them(results, separator):
    folder = results("a.txt")
    (folder / "a.txt").write_text(THREE.replace(",", separator))
    [track], problems = read(folder, "a")
    assert track.predicted[:, 0].tolist() == [0, 1, 2]
    assert track.visible.all()
    assert not problems


@pytest.mark.parametrize(("text", "xs", "kind", "detail"), [
    ("1,1,9,9\n2,1,9,9\n", [0, 1, 1], ROWS, "2 rows for 3 frames"),
    (THREE + "4,1,9,9\n", [0, 1, 2], ROWS, "4 rows for 3 frames"),
    ("1,1,9,9\nlost\n3,1,9,9\n", [0, np.nan, 2], GAPS, "1: line 2"),
    ("x\n1,1\n3,1,9,9\n", [np.nan, np.nan, 2], GAPS, "2: lines 1, 2"),
], ids=["short", "long", "a bad row", "bad rows"])
def test_a_file_that_does_not_fit_is_scored_as_far_as_it_goes_and_named(results, text, xs, kind, detail):
    folder = results("A/a.txt")
    (folder / "A/a.txt").write_text(text)
    [track], [problem] = read(folder, "a")
    np.testing.assert_equal(track.predicted[:, 0], xs)
    assert (problem.kind, problem.where, problem.detail) == (kind, "a.txt", detail)


def test_many_bad_rows_are_counted_not_listed(results):
    folder = results("A/a.txt")
    (folder / "A/a.txt").write_text("x\n" * 9 + "1,1,9,9\n")
    _, [problem] = read(folder, "a", frames=10)
    assert problem.detail == "9: lines 1, 2, 3, ..."


@pytest.mark.parametrize(("content", "detail"), [
    (b"", "empty"), (b"\xff\xfe\x00", "not a text file"), (b"<html>\n404\n", "no boxes in 2 rows"),
], ids=["empty", "binary", "web page"])
def test_a_file_without_boxes_is_like_a_missing_one(results, content, detail):
    folder = results("A/a.txt", "A/b.txt")
    (folder / "A/b.txt").write_bytes(content)
    tracks, [problem] = read(folder, "a", "b")
    assert [track.name for track in tracks] == ["a"]
    assert (problem.kind, problem.place) == (UNREADABLE, f"b.txt ({detail})")


def test_missing_sequences_and_results_of_unknown_ones_are_named_but_not_a_readme(results):
    folder = results("A/a.txt", "A/c.txt", "A/README.txt")
    (folder / "A/README.txt").write_text("boxes are x, y, w, h\n")
    tracks, problems = read(folder, "a", "b")
    assert [track.name for track in tracks] == ["a"]
    assert [(problem.kind, problem.where) for problem in problems] == [(EXTRA, "c.txt"), (MISSING, "b")]


def test_a_tracker_whose_names_all_differ_is_not_lost(results):
    found = find_results(results("A/a.txt", "B/otb_a.txt"), ["a"])
    assert [(tracker.name, len(tracker.extra)) for tracker in found] == [("A", 0), ("B", 1)]


def test_a_wrong_folder_is_one_line(results, tmp_path):
    with pytest.raises(DataError, match="nowhere: results folder not found"):
        find_results(tmp_path / "nowhere", ["a"])
    with pytest.raises(DataError, match=r"no result file is named like .* such as a\.txt; nothing to score"):
        find_results(results("A/z.txt"), ["a"])
