"""Labels of the maps on cases that can be checked by hand."""

import torch

from tracker.targets import anchor_free, logistic_map


def grid(cells: int, stride: float) -> torch.Tensor:
    axis = torch.arange(cells) * stride + stride / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack((x, y))


def test_core_is_target_rim_is_ignored_rest_is_background():
    # 8 cells of 10 pixels; the box covers the centres 15..55, its half-size core the centres 25..45.
    targets = anchor_free(torch.tensor([[10.0, 10, 60, 60]]), torch.ones(1), grid(8, 10.0))
    row = targets.cls[0, 3]
    assert row.tolist() == [0, -1, 1, 1, 1, -1, 0, 0]


def test_distances_and_centerness_are_those_of_the_cell():
    targets = anchor_free(torch.tensor([[10.0, 10, 60, 60]]), torch.ones(1), grid(8, 10.0))
    assert targets.box[0, :, 3, 2].tolist() == [15, 25, 35, 25]
    assert torch.isclose(targets.centerness[0, 3, 2], torch.tensor((15 / 35) ** 0.5))
    assert targets.centerness[0, 3, 3] == 1


def test_a_box_smaller_than_a_cell_still_has_one():
    targets = anchor_free(torch.tensor([[31.0, 31, 33, 33]]), torch.ones(1), grid(8, 10.0))
    assert (targets.cls == 1).sum() == 1 and targets.cls[0, 3, 3] == 1


def test_negative_pairs_are_background_everywhere():
    targets = anchor_free(torch.tensor([[10.0, 10, 60, 60]]), torch.zeros(1), grid(8, 10.0))
    assert (targets.cls == 0).all()


def test_logistic_map_marks_cells_within_the_radius_of_the_centre():
    labels = logistic_map(torch.tensor([[117.0, 117, 137, 137]]), torch.ones(1), 17, 8, 127.0)
    assert labels[0, 8, 8] == 1 and labels[0, 8, 10] == 1 and labels[0, 8, 11] == 0
    assert logistic_map(torch.tensor([[117.0, 117, 137, 137]]), torch.zeros(1), 17, 8, 127.0).sum() == 0
