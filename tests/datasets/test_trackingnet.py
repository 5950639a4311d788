import pytest

from datasets import trackingnet
from datasets.errors import DataError


@pytest.fixture
def write(tmp_path, image, lines):
    def write(part, name, *rows, frames=11):
        for number in range(frames):
            image(tmp_path / part / "frames" / name / f"{number}.jpg")
        lines(tmp_path / part / "anno" / f"{name}.txt", *rows)
        return tmp_path

    return write


def test_test_split_has_first_boxes_only(write):
    sequence, = trackingnet.load(write("TEST", "a_0", "3,4,10,20"))
    assert (sequence.name, sequence.dataset, len(sequence)) == ("a_0", "trackingnet-test", 11)
    assert sequence.boxes.tolist() == [[3, 4, 10, 20]]  # 0-based in the files
    assert sequence.visible.all()


def test_frames_are_ordered_by_number(write):
    sequence, = trackingnet.load(write("TEST", "a_0", "3,4,10,20"))
    assert [path.stem for path in sequence.frames] == [str(number) for number in range(11)]


def test_training_set_is_its_twelve_parts(write):
    for part in range(12):
        root = write(f"TRAIN_{part}", f"seq{part}", "3,4,10,20", "4,4,10,20", frames=2)
    assert len(trackingnet.load(root, "train")) == 12
    sequence, = trackingnet.load(root, "train_7")
    assert (sequence.name, len(sequence.boxes)) == ("seq7", 2)


def test_what_lacks_is_named(write, tmp_path, image):
    root = write("TRAIN_0", "a", "3,4,10,20", frames=2)
    with pytest.raises(DataError, match=r"a\.txt: 1 rows for 2 frames"):
        trackingnet.load(root, "train_0")
    with pytest.raises(DataError, match=r"TEST/anno: no SEQUENCE\.txt .* must hold TEST/anno/ and TEST/frames/"):
        trackingnet.load(root)
    with pytest.raises(DataError, match="no split 'val'"):
        trackingnet.load(root, "val")
    image(root / "TRAIN_0/frames/a/cover.jpg")
    with pytest.raises(DataError, match=r"cover\.jpg: expected an image called by its number"):
        trackingnet.load(root, "train_0")
