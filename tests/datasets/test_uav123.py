import csv

import pytest

from datasets import uav123
from datasets.errors import DataError


@pytest.fixture
def write(tmp_path, image, lines):
    """Write images of these numbers, and targets on them with so many rows."""

    def write(version, images, targets):
        for folder, numbers in images.items():
            first = image(tmp_path / "data_seq" / version / folder / f"{numbers[0]:06d}.jpg")
            for number in numbers[1:]:
                first.with_name(f"{number:06d}.jpg").hardlink_to(first)
        for name, rows in targets.items():
            lines(tmp_path / "anno" / version / f"{name}.txt",
                  *(f"{row},1,10,20" for row in range(1, rows + 1)))
        return tmp_path

    return write


def test_boxes_become_zero_based_and_gaps_are_absences(write, lines):
    root = write("UAV123", {"bike1": range(1, 4)}, {"bike1": 3})
    lines(root / "anno/UAV123/bike1.txt", "1,1,10,20", "NaN,NaN,NaN,NaN", "3,1,10,20")
    sequence, = uav123.load(root)
    assert (sequence.name, sequence.dataset, len(sequence)) == ("bike1", "uav123-30fps", 3)
    assert sequence.boxes[2].tolist() == [2, 0, 10, 20]
    assert sequence.visible.tolist() == [True, False, True]


@pytest.mark.parametrize(("version", "split", "first"), [("UAV123", "30fps", 775), ("UAV123_10fps", "10fps", 259)])
def test_later_targets_begin_within_the_images_of_their_folder(write, version, split, first):
    root = write(version, {"bird1": range(1, first + 5)}, {"bird1_1": 3, "bird1_2": 2})
    one, two = uav123.load(root, split)
    assert [path.stem for path in one.frames] == ["000001", "000002", "000003"]
    assert [path.stem for path in two.frames] == [f"{first:06d}", f"{first + 1:06d}"]
    assert two.frames[0].parent.name == "bird1"


def test_long_set_has_its_own_rows_on_the_same_images(write, lines):
    root = write("UAV123", {"bird1": range(1, 5)}, {})
    lines(root / "anno/UAV20L/bird1.txt", "1,1,10,20", "2,1,10,20")
    assert len(uav123.load(root, "20l")[0]) == 2


def test_a_folder_of_ones_own_needs_no_table(write):
    root = write("UAV123", {"my_2": range(1, 3)}, {"my_2": 2})
    assert uav123.load(root)[0].frames[0].parent.name == "my_2"


def test_attributes_are_read(write, lines):
    root = write("UAV123", {"bike1": range(1, 3)}, {"bike1": 2})
    lines(root / "anno/UAV123/att/bike1.txt", "1,0,1,0,0,0,0,0,0,0,0,0")
    assert uav123.load(root)[0].attributes == ("SV", "LR")


def test_first_image_that_lacks_is_named(write):
    root = write("UAV123", {"bike1": (1, 2, 4)}, {"bike1": 4})
    with pytest.raises(DataError, match=r"bike1\.txt: 4 rows, but .*bike1 has no image 000003"):
        uav123.load(root)


def test_bad_row_folder_and_split_are_named(write, lines, tmp_path):
    root = write("UAV123", {"bike1": range(1, 3)}, {"bike1": 2})
    lines(root / "anno/UAV123/bike1.txt", "1,1,1,1", "x")
    with pytest.raises(DataError, match=r"bike1\.txt, line 2"):
        uav123.load(root)
    with pytest.raises(DataError, match=r"UAV123_10fps: no SEQUENCE\.txt .* must hold anno/UAV123_10fps/"):
        uav123.load(tmp_path, "10fps")
    with pytest.raises(DataError, match="no split '60fps'; choose one of 30fps, 10fps, 20l"):
        uav123.load(root, "60fps")


def test_starts_are_those_of_the_published_table(real_data):
    """The table is of 30 frames a second; this one, of 10, was published on its own."""
    table = real_data / "reference_results" / "UAV123_10fps" / "start_frames.csv"
    if not table.is_file():
        pytest.skip(f"no {table}")
    for row in csv.DictReader(table.open()):
        assert uav123.folder_and_first(row["sequence"], step=3)[1] == int(row["first_frame"]), row
