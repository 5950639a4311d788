import pytest

from datasets import otb
from datasets.errors import DataError


@pytest.fixture
def make(tmp_path, image, lines):
    """Write a sequence with images of these numbers and ground truth for its targets."""

    def write(name, numbers, rows, targets=("",), separator=",", suffix=".jpg"):
        first = image(tmp_path / name / "img" / f"{numbers[0]:04d}{suffix}")
        for number in numbers[1:]:
            first.with_name(f"{number:04d}{suffix}").hardlink_to(first)
        for target in targets:
            lines(tmp_path / name / f"groundtruth_rect{target}.txt",
                  *(separator.join(map(str, (index + 1, 1, 10, 20))) for index in range(rows)))
        return tmp_path

    return write


@pytest.mark.parametrize("separator", [",", "\t", " "])
def test_boxes_become_zero_based(make, separator):
    sequence = otb.load(make("Car4", range(1, 4), 3, separator=separator))[0]
    assert (sequence.name, sequence.dataset, len(sequence)) == ("Car4", "otb", 3)
    assert sequence.boxes[1].tolist() == [1, 0, 10, 20]


def test_images_may_be_png(make):
    assert otb.load(make("Board", range(1, 4), 3, suffix=".png"))[0].frames[0].suffix == ".png"


def test_every_target_of_a_folder_is_a_sequence(make):
    root = make("Jogging", range(1, 4), 3, targets=(".1", ".2"))
    first, second = otb.load(root)
    assert (first.name, second.name) == ("Jogging.1", "Jogging.2")
    assert first.frames == second.frames


def test_only_target_that_is_annotated_has_the_folders_name(make, lines):
    root = make("Human4", range(1, 4), 3, targets=(".2",))
    lines(root / "Human4/groundtruth_rect.1.txt", "")
    assert [sequence.name for sequence in otb.load(root)] == ["Human4"]


def test_attributes_hold_for_every_target_of_a_folder(make, lines):
    root = make("Jogging", range(1, 4), 3, targets=(".1", ".2"))
    lines(root / "att/jogging-1.txt", "0,0,0,1,0,0,0,0,0,0,0")
    lines(root / "att/Jogging.txt", "0,0,0,0,0,0,0,0,0,0,1")
    assert [sequence.attributes for sequence in otb.load(root)] == [("OCC",), ("LR",)]


def test_subset_must_be_there_as_a_whole(make, monkeypatch):
    monkeypatch.setitem(otb.SUBSETS, "otb50", ("Car4", "Deer"))
    for name in ("Car4", "Toy"):
        root = make(name, range(1, 3), 2)
    with pytest.raises(DataError, match=r"lacks 1 of the 2 sequences of otb50: Deer$"):
        otb.load(root, "otb50")
    assert [sequence.name for sequence in otb.load(make("Deer", range(1, 3), 2), "otb50")] == ["Car4", "Deer"]


def test_published_subsets_are_parts_of_the_whole():
    assert {name: len(set(names)) for name, names in otb.SUBSETS.items()} == {"otb100": 100, "otb50": 50, "otb2013": 51}
    assert {*otb.SUBSETS["otb50"], *otb.SUBSETS["otb2013"]} <= set(otb.SUBSETS["otb100"])
    with pytest.raises(DataError, match="no subset 'otb7'; choose one of all, otb100"):
        otb.load("anywhere", "otb7")


def test_sequences_are_sorted_without_regard_to_case(make):
    for name in ("b", "C", "A"):
        root = make(name, range(1, 3), 2)
    assert [sequence.name for sequence in otb.load(root)] == ["A", "b", "C"]


@pytest.mark.parametrize(("name", "images", "rows", "first", "last"), [
    ("David", range(1, 771), 471, "0300", "0770"),
    ("Football1", range(1, 80), 74, "0001", "0074"),
    ("BlurCar3", range(1, 360), 357, "0003", "0359"),
    ("BlurCar4", range(18, 398), 380, "0018", "0397"),
    ("Tiger1", range(1, 355), 354, "0006", "0354"),
    ("Tiger1", range(1, 355), 349, "0006", "0354"),
])
def test_annotated_part_of_the_official_sequences(make, name, images, rows, first, last):
    sequence = otb.load(make(name, images, rows))[0]
    assert (sequence.frames[0].stem, sequence.frames[-1].stem) == (first, last)
    assert len(sequence.boxes) == len(sequence)


def test_omitted_frames_of_tiger1_take_their_rows_with_them(make):
    sequence = otb.load(make("Tiger1", range(1, 355), 354))[0]
    assert sequence.boxes[0, 0] == 5  # sixth row of the file, 0-based


def test_other_number_of_rows_is_named(make):
    with pytest.raises(DataError, match=r"Car4/groundtruth_rect\.txt: 2 rows for 3 frames"):
        otb.load(make("Car4", range(1, 4), 2))


def test_bad_row_is_named(make, lines):
    root = make("Car4", range(1, 3), 2)
    lines(root / "Car4/groundtruth_rect.txt", "1,2,3,4", "1;;4")
    with pytest.raises(DataError, match=r"groundtruth_rect\.txt, line 2"):
        otb.load(root)


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: OTB folder not found"):
        otb.load(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no SEQUENCE/groundtruth_rect\.txt"):
        otb.load(tmp_path)
