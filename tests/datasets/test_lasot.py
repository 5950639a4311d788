import pytest

from datasets import lasot
from datasets.errors import DataError


@pytest.fixture
def root(tmp_path, image, lines):
    for name in ("car-10", "car-2", "electricfan-1"):
        folder = tmp_path / name.split("-")[0] / name
        for index in (1, 2, 3, 4):
            image(folder / "img" / f"{index:08d}.jpg")
        lines(folder / "groundtruth.txt", "1,1,30,40", "2,5,30,40", "0,0,0,0", "9,9,5,5")
        lines(folder / "full_occlusion.txt", "0,1,0,0")
        lines(folder / "out_of_view.txt", "0,0,0,1")
    lines(tmp_path / "training_set.txt", "car-10")
    lines(tmp_path / "testing_set.txt", "electricfan-1", "car-2")
    return tmp_path


def test_boxes_become_zero_based_and_either_label_marks_absence(root):
    sequence = lasot.load(root, "train")[0]
    assert (sequence.name, sequence.dataset) == ("car-10", "lasot-train")
    assert sequence.boxes[1].tolist() == [1, 4, 30, 40]
    assert sequence.visible.tolist() == [True, False, False, False]
    assert sequence.frames[0].name == "00000001.jpg"


def test_lists_give_the_split_and_numbers_the_order(root):
    assert [sequence.name for sequence in lasot.load(root, "test")] == ["electricfan-1", "car-2"]
    assert [sequence.name for sequence in lasot.load(root)] == ["car-2", "car-10", "electricfan-1"]


@pytest.mark.parametrize("name", ["groundtruth.txt", "full_occlusion.txt", "out_of_view.txt"])
def test_missing_label_file_is_named(root, name):
    (root / "car/car-10" / name).unlink()
    with pytest.raises(DataError, match=f"car-10/{name}: cannot read"):
        lasot.load(root, "train")


def test_labels_of_another_length_are_named(root, lines):
    lines(root / "car/car-10/out_of_view.txt", "0,0")
    with pytest.raises(DataError, match=r"out_of_view\.txt: 2 rows for 4 frames"):
        lasot.load(root, "train")


def test_missing_list_folder_and_unknown_split_are_named(root, tmp_path):
    (root / "training_set.txt").unlink()
    with pytest.raises(DataError, match=r"training_set\.txt: cannot read"):
        lasot.load(root, "train")
    with pytest.raises(DataError, match="no split 'val'"):
        lasot.load(root, "val")
    with pytest.raises(DataError, match="nowhere: LaSOT folder not found"):
        lasot.load(tmp_path / "nowhere")


def test_folder_of_something_else_is_named(tmp_path):
    with pytest.raises(DataError, match="no sequences CLASS/CLASS-N"):
        lasot.load(tmp_path)


def test_attributes_are_read(root, lines):
    lines(root / "att/car-10.txt", "0,1,0,0,0,0,0,0,0,0,0,0,0,1")
    assert [sequence.attributes for sequence in lasot.load(root)] == [(), ("POC", "ARC"), ()]
