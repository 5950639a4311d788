import numpy as np
import pytest

from datasets.errors import DataError
from datasets.opencv import cv2
from eval.ground_truth import read_truths

ROWS = "11,21,30,40\n12,22,30,40\n13,23,30,40\n"


@pytest.fixture
def root(tmp_path):
    """Writes text files by path and returns their folder."""

    def write(files: dict[str, str]):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


@pytest.mark.parametrize(("files", "names"), [
    (["Bike.txt", "car-1.txt"], ["Bike", "car-1"]),
    (["Jogging/groundtruth_rect.1.txt", "Jogging/groundtruth_rect.2.txt", "Bolt/groundtruth_rect.txt"],
     ["Bolt", "Jogging.1", "Jogging.2"]),
    (["GOT-10k_Val_000001/groundtruth.txt"], ["GOT-10k_Val_000001"]),
    (["bird/bird-12/groundtruth.txt", "car/car-1/groundtruth.txt"], ["bird-12", "car-1"]),
    (["anno/UAV123/bike1.txt"], ["bike1"]),
    (["anno/UAV123_10fps/bike1.txt"], ["bike1"]),
    (["anno/0-6LB4FqxoE_0.txt"], ["0-6LB4FqxoE_0"]),
], ids=["flat", "otb", "got10k", "lasot", "uav123", "uav123 at 10 fps", "trackingnet"])
def test_every_layout_is_found(root, files, names):
    truths = read_truths(root(dict.fromkeys(files, ROWS)), origin=1)
    assert [truth.name for truth in truths] == names
    assert truths[0].boxes[:, 0].tolist() == [10, 11, 12]


def test_lists_beside_the_sequences_are_not_taken_for_boxes(root):
    folder = root({"list.txt": "a\n", "a/groundtruth.txt": ROWS})
    assert [truth.name for truth in read_truths(folder, 0)] == ["a"]


@pytest.mark.parametrize("labels", [
    {"a/groundtruth.txt": ROWS, "a/absence.label": "0\n0\n1\n"},
    {"a/a-1/groundtruth.txt": ROWS, "a/a-1/full_occlusion.txt": "0,0,1", "a/a-1/out_of_view.txt": "0,0,0"},
    {"a/a-1/groundtruth.txt": ROWS, "a/a-1/full_occlusion.txt": "0,0,0", "a/a-1/out_of_view.txt": "0,0,1"},
    {"a.txt": ROWS, "absent/a.txt": "0\n0\n1\n", "att/a.txt": "1,0,1"},
], ids=["got10k", "lasot, hidden", "lasot, out of view", "lasot's toolkit"])
def test_labels_of_absence_are_read(root, labels):
    [truth] = read_truths(root(labels), 0)
    assert truth.visible.tolist() == [True, True, False]


def test_without_labels_nothing_is_claimed(root):
    [truth] = read_truths(root({"a.txt": ROWS}), 0)
    assert truth.visible is None


def test_the_frame_size_is_noted_or_taken_from_the_first_image(root):
    folder = root({"a/groundtruth.txt": ROWS, "b/groundtruth.txt": ROWS, "c/groundtruth.txt": ROWS,
                   "a/meta_info.ini": "[METAINFO]\nurl: http://a%20b\nresolution: (1920, 1080)\n"})
    cv2.imwrite(str(folder / "b/00000001.jpg"), np.zeros((48, 96, 3), np.uint8))
    assert [truth.frame_size() for truth in read_truths(folder, 0)] == [(1920, 1080), (96, 48), None]


def test_otbs_empty_files_are_no_targets(root):
    folder = root({"a/groundtruth_rect.txt": ROWS, "a/groundtruth_rect.1.txt": ""})
    assert [truth.name for truth in read_truths(folder, 1)] == ["a"]


@pytest.mark.parametrize(("files", "message"), [
    ({}, "no ground truth in this folder"),
    ({"train/GOT-1/groundtruth.txt": ROWS, "val/GOT-2/groundtruth.txt": ROWS}, "no ground truth in this folder"),
    ({"a.txt": ""}, r"a\.txt: no boxes"),
    ({"a.txt": "1,2,3,4\none\n"}, r"a\.txt, line 2"),
    ({"a/groundtruth.txt": ROWS, "a/absence.label": "0\n"}, r"absence\.label: 1 rows for 3 frames"),
    ({"anno/UAV123/a.txt": ROWS, "anno/UAV123_10fps/a.txt": ROWS}, "2 annotations of a sequence a"),
    ({"a.txt": "1,2,3,4\n", "b.txt": "1,2,3,4\n"}, "nothing to score"),
], ids=["empty", "a root with several splits", "empty file", "bad row", "labels", "two sets", "first boxes only"])
def test_what_cannot_be_scored_is_one_line(root, tmp_path, files, message):
    root(files)
    with pytest.raises(DataError, match=message):
        read_truths(tmp_path, 1)


@pytest.mark.parametrize(("files", "meant"), [
    ({"otb50.txt": "Bolt\n", "gt/Bolt.txt": ROWS}, "gt"),
    ({"gt/Bolt.txt": ROWS}, "gt"),
    ({"README.txt": "boxes\n", "anno/UAV20L/bike1.txt": ROWS}, "anno/UAV20L"),
])
def test_the_folder_above_is_told_which_one_is_meant(root, files, meant):
    folder = root(files)
    with pytest.raises(DataError, match=f"{folder}: no ground truth in this folder; did you mean {folder / meant}\\?"):
        read_truths(folder, 1)


def test_a_folder_of_boxes_is_taken_whatever_is_below_it(root):
    folder = root({"a.txt": ROWS, "gt/b.txt": ROWS})
    assert [truth.name for truth in read_truths(folder, 1)] == ["a"]
    folder = root({"c.txt": "1,2,3,4\none\n"})
    with pytest.raises(DataError, match=r"c\.txt, line 2"):
        read_truths(folder, 1)


def test_a_missing_or_binary_truth_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: ground truth folder not found"):
        read_truths(tmp_path / "nowhere", 0)
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"a\.txt: not a text file"):
        read_truths(tmp_path, 0)
