import numpy as np
import pytest

from datasets import got10k
from datasets.errors import DataError


@pytest.fixture
def root(tmp_path, image, lines):
    for split in ("train", "test"):
        for name in ("b_second", "a_first"):
            folder = tmp_path / split / name
            for index in (1, 2, 3):
                image(folder / f"{index:08d}.jpg")
            rows = ["10.5,20,30,40", "11,21,30,40", "nan,nan,nan,nan"]
            lines(folder / "groundtruth.txt", *(rows if split == "train" else rows[:1]))
    lines(tmp_path / "train/b_second/absence.label", "0", "1", "0")
    lines(tmp_path / "train/b_second/cover.label", "8", "0", "3")
    return tmp_path


def test_boxes_are_zero_based_and_labels_mark_absence(root, lines):
    lines(root / "train/list.txt", "b_second", "a_first")
    second, first = got10k.load(root, "train")
    assert (second.name, second.dataset, len(second)) == ("b_second", "got10k-train", 3)
    assert second.boxes[0].tolist() == [10.5, 20, 30, 40]
    assert second.visible.tolist() == [True, False, False]
    assert first.visible.tolist() == [True, True, False]
    assert second.frames[2].name == "00000003.jpg"
    assert got10k.cover(second).tolist() == [8, 0, 3]


def test_folders_are_sorted_where_no_list_is(root):
    assert [sequence.name for sequence in got10k.load(root, "train")] == ["a_first", "b_second"]


def test_test_split_has_the_first_box_only(root):
    sequence = got10k.load(root, "test")[0]
    assert sequence.boxes.shape == (1, 4)
    np.testing.assert_array_equal(sequence.visible, [True] * 3)


def test_missing_split_is_named(root):
    with pytest.raises(DataError, match="val: folder not found"):
        got10k.load(root, "val")
    with pytest.raises(DataError, match="no split 'valid'"):
        got10k.load(root, "valid")


def test_listed_sequence_without_folder_is_named(root, lines):
    lines(root / "train/list.txt", "a_first", "gone")
    with pytest.raises(DataError, match="gone: image folder not found"):
        got10k.load(root, "train")


def test_other_number_of_rows_is_named(root, lines):
    lines(root / "train/a_first/groundtruth.txt", "1,2,3,4")
    with pytest.raises(DataError, match=r"a_first/groundtruth\.txt: 1 rows for 3 frames"):
        got10k.load(root, "train")


def test_empty_split_is_named(tmp_path):
    (tmp_path / "val").mkdir()
    with pytest.raises(DataError, match="val: no sequences"):
        got10k.load(tmp_path, "val")
