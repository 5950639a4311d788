import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import annotations
from datasets.errors import DataError

numbers = st.floats(-1e4, 1e4).map(lambda value: round(value, 4))


@given(rows=st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=1, max_size=5),
       separator=st.sampled_from([",", ";", "\t", " ", ", ", "  "]), origin=st.sampled_from([0, 1]))
def test_boxes_are_read_back_whatever_separates_them(tmp_path_factory, rows, separator, origin):
    path = tmp_path_factory.mktemp("boxes") / "groundtruth.txt"
    path.write_text("\r\n".join(separator.join(f"{value:.4f}" for value in row) for row in rows) + "\n\n")
    expected = np.array(rows) - [origin, origin, 0, 0]
    np.testing.assert_allclose(annotations.read_boxes(path, origin), expected, atol=1e-9)


@pytest.mark.parametrize("bad", ["1,2,3", "1,2,3,4,5", "1,,2,3,4", "1,2,three,4", "", "1,2,inf,4"])
def test_bad_row_is_named_by_file_and_line(tmp_path, lines, bad):
    path = lines(tmp_path / "groundtruth.txt", "1,2,3,4", bad, "1,2,3,4")
    with pytest.raises(DataError, match=r"groundtruth\.txt, line 2: expected four numbers"):
        annotations.read_boxes(path)


@pytest.mark.parametrize("bad", ["1,,2,3,4", "1,2,3", "one", "1,2,inf,4", "", "# 1,2,3,4", "1,2,3,4 # sure"])
def test_unreadable_rows_become_gaps_where_asked(tmp_path, lines, bad):
    path = lines(tmp_path / "result.txt", "1,2,3,4", bad, "5;6 7\t8")
    boxes, unreadable = annotations.read_boxes_with_gaps(path, origin=1)
    assert unreadable == [2]
    np.testing.assert_equal(boxes, [[0, 1, 3, 4], [np.nan] * 4, [4, 5, 7, 8]])


def test_an_empty_file_is_all_gap(tmp_path):
    (tmp_path / "empty.txt").touch()
    boxes, unreadable = annotations.read_boxes_with_gaps(tmp_path / "empty.txt")
    assert (boxes.shape, unreadable) == ((0, 4), [])


def test_a_byte_order_mark_is_no_part_of_the_first_number(tmp_path):
    (tmp_path / "a.txt").write_text("1,2,3,4\n", encoding="utf-8-sig")
    assert annotations.read_boxes(tmp_path / "a.txt").tolist() == [[1, 2, 3, 4]]


def test_nan_rows_stay(tmp_path, lines):
    boxes = annotations.read_boxes(lines(tmp_path / "a.txt", "1,2,3,4", "NaN,NaN,NaN,NaN"))
    assert np.isnan(boxes[1]).all()
    assert annotations.has_area(boxes).tolist() == [True, False]


def test_boxes_without_area(tmp_path):
    boxes = np.array([[0, 0, 1, 1], [0, 0, 0, 5], [0, 0, 5, -1], [-9, -9, 2, 2]], dtype=float)
    assert annotations.has_area(boxes).tolist() == [True, False, False, True]


@pytest.mark.parametrize("text", ["0,1,0", "0\n1\n0\n", "0, 1, 0,"])
def test_flags_on_one_line_or_many(tmp_path, lines, text):
    assert annotations.read_flags(lines(tmp_path / "a.txt", text)).tolist() == [0, 1, 0]


def test_bad_flag_is_named(tmp_path, lines):
    with pytest.raises(DataError, match=r"a\.txt, line 2: expected an integer, found 'x'"):
        annotations.read_flags(lines(tmp_path / "a.txt", "0", "x"))


def test_missing_empty_and_binary_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.txt: cannot read"):
        annotations.read_boxes(tmp_path / "gone.txt")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(DataError, match=r"empty\.txt: no boxes"):
        annotations.read_boxes(tmp_path / "empty.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"binary\.txt: not a text file"):
        annotations.read_boxes(tmp_path / "binary.txt")


def test_frames_are_listed_in_order(tmp_path, image):
    for name in ("00000010.jpg", "00000002.jpg", "00000001.PNG"):
        image(tmp_path / name)
    (tmp_path / "groundtruth.txt").touch()
    assert [path.stem for path in annotations.list_frames(tmp_path)] == ["00000001", "00000002", "00000010"]


def test_missing_frames_are_named(tmp_path):
    with pytest.raises(DataError, match="img: image folder not found"):
        annotations.list_frames(tmp_path / "img")
    with pytest.raises(DataError, match="no JPEG or PNG"):
        annotations.list_frames(tmp_path)
