import numpy as np
import pytest

from datasets.errors import DataError
from eval.ground_truth import Truth
from eval.raw_results import (
    EXTRA,
    GAPS,
    HEADER,
    INVALID,
    MISSING,
    ROWS,
    UNREADABLE,
    find_results,
    read_tracks,
    same_names,
)

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
    """Tracks and problems of the only tracker in `folder`, which has no remarks."""
    [result] = find_results(folder, list(names))
    tracks, problems, remarks = read_tracks(result, [truth(name, frames) for name in names], 1, {})
    assert not remarks
    return tracks, problems


def read_text(folder, text, sequence):
    """Boxes, problems and remarks of one result file."""
    (folder / "a.txt").write_text(text)
    [result] = find_results(folder, ["a"])
    [track], problems, remarks = read_tracks(result, [sequence], 1, {})
    return track.predicted, problems, remarks


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


def test_a_header_is_skipped_where_the_other_rows_are_one_a_frame(results):
    boxes, problems, [remark] = read_text(results("a.txt"), f"x,y,w,h\n{THREE}", truth("a"))
    assert boxes[:, 0].tolist() == [0, 1, 2]
    assert not problems
    assert (remark.kind, remark.place) == (HEADER, "a.txt")


def test_lines_below_a_header_are_numbered_as_in_the_file(results):
    text = "x,y,w,h\n1,1,9,9\nlost\n3,1,9,9\n"
    boxes, [problem], [remark] = read_text(results("a.txt"), text, truth("a"))
    np.testing.assert_equal(boxes[:, 0], [0, np.nan, 2])
    assert (problem.kind, problem.detail) == (GAPS, "1: line 3")
    assert remark.kind == HEADER


@pytest.mark.parametrize("row", ["nan,nan,nan,nan", "2,1,nan,9", "2,1,-9,9", "2,1,9,0", "0,0,0,0"])
def test_invalid_boxes_are_counted_but_stay(results, row):
    boxes, problems, [remark] = read_text(results("a.txt"), f"1,1,9,9\n{row}\n{row}\n", truth("a"))
    assert not problems
    assert (remark.kind, remark.place) == (INVALID, "a.txt (2 of 3)")
    assert len(boxes) == 3


def test_invalid_boxes_do_not_count_in_the_first_row_nor_where_there_is_no_target(results):
    boxes = np.tile([0.0, 0, 9, 9], (4, 1))
    boxes[1] = np.nan
    sequence = Truth("a", boxes, np.array([True, True, False, True]), None)
    *_, remarks = read_text(results("a.txt"), "nan,nan,nan,nan\n" * 3 + "1,1,9,9\n", sequence)
    assert not remarks
    *_, [remark] = read_text(results("a.txt"), "nan,nan,nan,nan\n" * 4, sequence)
    assert remark.detail == "1 of 4"


def test_unreadable_and_filled_rows_are_not_named_twice(results):
    _, problems, remarks = read_text(results("a.txt"), "1,1,9,9\nlost\n3,1,9,0\n", truth("a", 9))
    assert [problem.kind for problem in problems] == [GAPS, ROWS]
    assert [remark.detail for remark in remarks] == ["1 of 3"]


def test_a_row_of_more_than_four_numbers_says_how_many(results):
    _, [problem], _ = read_text(results("a.txt"), "1,1,9,9\nlost\n3 1 9 9 0.7\n", truth("a"))
    assert problem.detail == "2: lines 2, 3; line 3 has 5 numbers, not four"


@pytest.mark.parametrize(("content", "detail"), [
    (b"", "empty"), (b"\xff\xfe\x00", "not a text file"), (b"<html>\n404\n", "no boxes in 2 rows"),
    (b"x,y,w,h,score\n1,1,9,9,1\n", "no boxes in 2 rows; line 2 has 5 numbers, not four"),
], ids=["empty", "binary", "web page", "with scores"])
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
