import numpy as np
import pytest

from datasets import masks
from datasets.errors import DataError
from datasets.opencv import cv2


def test_boxes_surround_the_masked_objects(masked):
    images, root = masked({"a": [(20, 30, 40, 25), (0, 0, 50, 60)], "b": [(10, 10, 30, 30)]})
    sequences = masks.load(images, root)
    assert [sequence.name for sequence in sequences] == ["a", "b"]
    assert sequences[0].boxes.tolist() == [[20, 30, 40, 25], [0, 0, 50, 60]]
    assert sequences[0].masks == (root / "a/00000001.png", root / "a/00000002.png")
    assert sequences[0].frames == (images / "a/00000001.jpg", images / "a/00000002.jpg")


def test_images_without_a_mask_are_left_out(masked):
    images, root = masked({"a": [(20, 30, 40, 25)] * 3})
    (root / "a/00000002.png").unlink()
    assert [frame.stem for frame in masks.load(images, root)[0].frames] == ["00000001", "00000003"]


def test_specks_are_no_objects(masked):
    images, root = masked({"a": [(20, 30, 40, 25), (5, 5, 9, 9)], "b": [(5, 5, 6, 6)]})
    sequence, = masks.load(images, root)
    assert sequence.visible.tolist() == [True, False]


def test_bad_masks_are_named(masked, tmp_path):
    images, root = masked({"a": [(5, 5, 6, 6)]})
    with pytest.raises(DataError, match="masks: no mask covers 200 pixels"):
        masks.load(images, root)
    with pytest.raises(DataError, match="nowhere: no masks"):
        masks.load(images, tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"00000001\.png: no image of this mask"):
        masks.load(tmp_path / "nowhere", root)
    cv2.imwrite(str(root / "a/00000001.png"), np.full((9, 9), 255, np.uint8))
    with pytest.raises(DataError, match=r"mask of 9 x 9 pixels for an image of 8 x 7"):
        masks.read(root / "a/00000001.png", np.zeros((7, 8, 3), np.uint8))
