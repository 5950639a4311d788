import json

import pytest

from datasets import coco
from datasets.errors import DataError


def write(path, annotations):
    images = [{"id": 7, "file_name": "images/a.jpg", "width": 100, "height": 80},
              {"id": 9, "file_name": "images/b.jpg", "width": 50, "height": 50}]
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


def box(identifier, bbox, image=7, **more):
    return {"id": identifier, "image_id": image, "bbox": bbox, **more}


def test_every_box_is_a_sequence_of_one_frame(tmp_path):
    sequences = coco.load(write(tmp_path / "a.json", [box(1, [5, 6, 20, 30]), box(2, [0.5, 0, 40, 40])]))
    assert [sequence.name for sequence in sequences] == ["a.1", "a.2"]
    assert all(len(sequence) == 1 and sequence.visible.all() for sequence in sequences)
    assert sequences[0].boxes.tolist() == [[5, 6, 20, 30]]
    assert sequences[0].frames == (tmp_path / "images/a.jpg",)


def test_boxes_are_clipped_to_the_image(tmp_path):
    sequence = coco.load(write(tmp_path / "a.json", [box(1, [-10, 60, 30, 40])]))[0]
    assert sequence.boxes.tolist() == [[0, 60, 20, 20]]


def test_crowds_and_degenerate_boxes_are_left_out(tmp_path):
    unusable = [box(1, [5, 5, 30, 30], iscrowd=1), box(2, [5, 5, 30, 0]), box(3, [5, 5, 3, 30]),
                box(4, [99, 5, 30, 30])]
    assert len(coco.load(write(tmp_path / "a.json", [*unusable, box(5, [5, 5, 30, 30])]))) == 1
    with pytest.raises(DataError, match=r"a\.json: no usable boxes"):
        coco.load(write(tmp_path / "a.json", unusable))


@pytest.mark.parametrize("entry", [{"image_id": 7}, box(1, [1, 2, 3]), box(1, [1, 2, 3, "x"]), box(1, None),
                                   box(1, [1, 2, 30, 30], image=8)])
def test_other_formats_are_named(tmp_path, entry):
    with pytest.raises(DataError, match=r"a\.json: not in COCO detection format"):
        coco.load(write(tmp_path / "a.json", [entry]))


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.json: cannot read"):
        coco.load(tmp_path / "gone.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(DataError, match=r"a\.json: not valid JSON"):
        coco.load(tmp_path / "a.json")
