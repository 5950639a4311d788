import pytest

from datasets import dtb70
from datasets.errors import DataError


@pytest.fixture
def root(tmp_path, image, lines):
    for name in ("Yacht2", "BMX2"):
        for number in (1, 2):
            image(tmp_path / name / "img" / f"{number:05d}.jpg")
        lines(tmp_path / name / "groundtruth_rect.txt", "5,1,10,20", "6,1,0,0")
    return tmp_path


def test_form_is_that_of_otb(root):
    first, second = dtb70.load(root)
    assert (first.name, second.name, first.dataset) == ("BMX2", "Yacht2", "dtb70")
    assert first.boxes[0].tolist() == [4, 0, 10, 20]
    assert first.visible.tolist() == [True, False]


def test_flags_of_another_toolkit_are_not_read(root, lines):
    lines(root / "att/BMX2.txt", "1,1,1,1,1,1,1,1,1,1,1")
    assert dtb70.load(root)[0].attributes == ()
    lines(root / "attributes.csv", "sequence,attributes", "BMX2,SV OV")
    assert dtb70.load(root)[0].attributes == ("SV", "OV")


def test_missing_folder_and_rows_are_named(root, lines):
    with pytest.raises(DataError, match="nowhere: DTB70 folder not found"):
        dtb70.load(root / "nowhere")
    lines(root / "BMX2/groundtruth_rect.txt", "5,1,10,20")
    with pytest.raises(DataError, match=r"BMX2/groundtruth_rect\.txt: 1 rows for 2 frames"):
        dtb70.load(root)
