"""Geometry of the localizers: stub networks put a known answer into a known cell."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tracker.localize import (
    AnchorFreeLocalizer,
    AnchorFreeOptions,
    ScaleSearchLocalizer,
    ScaleSearchOptions,
    Search,
    Target,
)
from tracker.models import Predictions, SiameseConfig, SiamFCConfig

IMAGE = np.zeros((40, 50, 3), np.uint8)
KERNEL, FILL = torch.zeros(1), np.zeros(3)
PLAIN = AnchorFreeOptions(window_influence=0.0, penalty_k=0.0, size_lr=1.0)  # the map's answer, unchanged


def crop_zoom(target: Target) -> float:
    """Image pixels per pixel of either crop: the template's 127 pixels show sqrt((w + p)(h + p)), p = (w + h) / 2."""
    margin = (target.width + target.height) / 2
    return float(np.sqrt((target.width + margin) * (target.height + margin))) / 127


class AnchorFreeStub:
    """Answers with given cells of a 32 x 32 map, {(row, column): (logit, distances (4,) in pixels of the crop)}."""

    config = SiameseConfig()

    def __init__(self, cells: dict[tuple[int, int], tuple[float, tuple[float, ...]]]) -> None:
        self.cells = cells

    def grid(self) -> torch.Tensor:
        axis = torch.arange(32) * 8.0 + 0.5
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        return torch.stack((x, y))

    def __call__(self, kernel: torch.Tensor, search: torch.Tensor) -> Predictions:
        assert search.shape == (1, 3, 255, 255)
        cls, box = torch.full((1, 32, 32), -60.0), torch.ones(1, 4, 32, 32)
        for (row, column), (logit, distances) in self.cells.items():
            cls[0, row, column] = logit
            box[0, :, row, column] = torch.tensor(distances)
        return Predictions(cls, torch.full((1, 32, 32), 60.0), box)


def locate(cells, target, centre=None, options=PLAIN, use_window=False):
    localizer = AnchorFreeLocalizer(AnchorFreeStub(cells), options)
    return localizer(IMAGE, [Search(KERNEL, target, centre or (target.cx, target.cy), FILL, use_window)])[0]


@pytest.mark.parametrize("cell", [(16, 16), (3, 20), (31, 0)])
@pytest.mark.parametrize("centre", [(30.0, 20.0), (217.25, -41.5)])
@pytest.mark.parametrize("last", [(40.0, 30.0), (8.0, 100.0), (300.0, 310.0)])  # each has its own zoom
def test_a_box_at_a_cell_comes_back_in_image_pixels(cell, centre, last):
    target = Target(500.0, 600.0, *last)  # only its size matters: the search is around `centre`
    zoom = crop_zoom(target)
    row, column = cell
    x, y = (centre[axis] + (8 * index + 0.5 - 127.5) * zoom for axis, index in enumerate((column, row)))
    left, top, right, bottom = 11.0, 7.0, 23.0, 42.0
    candidate = locate({cell: (60.0, (left, top, right, bottom))}, target, centre)
    found = candidate.target
    corners = (found.cx - found.width / 2, found.cy - found.height / 2,
               found.cx + found.width / 2, found.cy + found.height / 2)
    assert corners == pytest.approx((x - left * zoom, y - top * zoom, x + right * zoom, y + bottom * zoom), abs=1e-4)
    assert candidate.score == pytest.approx(1)


def sides(target: Target, width_factor: float, height_factor: float) -> tuple[float, ...]:
    """Distances from the middle of a box of the target's size times the factors, pixels of the crop."""
    half = (target.width * width_factor / crop_zoom(target) / 2, target.height * height_factor / crop_zoom(target) / 2)
    return (*half, *half)


TARGET = Target(30.0, 20.0, 40.0, 40.0)


@pytest.mark.parametrize("k", [0.1, 0.5])
@pytest.mark.parametrize(("factors", "change"), [
    ((1.0001, 1.0001), 1), ((2, 2), 2), ((0.5, 0.5), 2), ((3, 3), 3),
    ((2, 0.5), 4 * np.sqrt(3.25 * 1.75) / 2),  # ratio 4, and padded side sqrt((2 + 1.25)(0.5 + 1.25)), not 2
])
def test_the_penalty_is_1_for_the_same_size_and_falls_with_its_change(k, factors, change):
    """The size follows by penalty times score times `size_lr`, which shows the penalty."""
    options = AnchorFreeOptions(penalty_k=k, size_lr=1.0)
    found = locate({(16, 16): (60.0, sides(TARGET, *factors))}, TARGET, options=options).target
    penalty = (found.width / TARGET.width - 1) / (factors[0] - 1)
    assert penalty == pytest.approx(np.exp(-k * (change - 1)), rel=2e-3)


def test_a_like_size_wins_over_a_slightly_higher_score():
    same, other = (1.0, sides(TARGET, 1, 1)), (1.1, sides(TARGET, 3, 3))
    cells = {(16, 12): same, (16, 20): other}
    assert locate(cells, TARGET).target.cx > TARGET.cx, "without a penalty the score decides"
    assert locate(cells, TARGET, options=AnchorFreeOptions(penalty_k=0.5)).target.cx < TARGET.cx


@pytest.mark.parametrize("size_lr", [0.0, 0.25, 1.0])
def test_the_size_follows_at_its_rate_times_the_score(size_lr):
    options = AnchorFreeOptions(penalty_k=0.0, size_lr=size_lr)
    candidate = locate({(16, 16): (0.0, sides(TARGET, 2, 3))}, TARGET, options=options)
    assert candidate.score == pytest.approx(0.5)
    assert candidate.target.width == pytest.approx(40 * (1 + 0.5 * size_lr))
    assert candidate.target.height == pytest.approx(40 * (1 + 0.5 * size_lr * 2))


def test_the_window_prefers_the_centre():
    far, near = (1.1, sides(TARGET, 1, 1)), (1.0, sides(TARGET, 1, 1))
    cells = {(2, 2): far, (16, 16): near}
    options = AnchorFreeOptions(window_influence=0.4)
    middle = 1.01 * crop_zoom(TARGET)  # cell 16 lies one pixel off the crop's middle
    found = locate(cells, TARGET, options=options, use_window=True).target
    assert abs(found.cx - TARGET.cx) <= middle and abs(found.cy - TARGET.cy) <= middle
    for unweighted in (locate(cells, TARGET, options=options, use_window=False),
                       locate(cells, TARGET, options=AnchorFreeOptions(window_influence=0.0), use_window=True)):
        assert unweighted.target.cx < TARGET.cx - 30


def test_the_window_is_laid_over_positions_and_is_1_in_the_middle():
    localizer = AnchorFreeLocalizer(AnchorFreeStub({}), PLAIN)
    offset = localizer.grid - 127.5  # (2, 32, 32)
    order = np.argsort(np.hypot(*offset)[16])
    assert (np.diff(localizer.window[16][order]) <= 1e-12).all(), "it falls with the distance"
    assert localizer.window.max() == pytest.approx(1, abs=1e-2)
    assert np.unravel_index(localizer.window.argmax(), (32, 32)) == (16, 16)


class ScaleSearchStub:
    """Answers at each scale with a bump of a given height at a cell `offset` (rows, columns) from the middle."""

    config = SiamFCConfig()
    stride = 8

    def __init__(self, peaks: tuple[float, ...], offset: tuple[int, int] = (0, 0)) -> None:
        self.peaks, self.offset = peaks, offset

    def __call__(self, kernel: torch.Tensor, search: torch.Tensor) -> torch.Tensor:
        assert search.shape == (len(self.peaks), 3, 255, 255), "all scales share one call"
        axis = torch.arange(17.0) - 8
        rows, columns = (torch.exp(-(axis - offset) ** 2 / 4) for offset in self.offset)
        return torch.tensor(self.peaks).view(-1, 1, 1) * torch.outer(rows, columns)


def search(peaks, offset=(0, 0), target=TARGET, centre=None, use_window=False, **options):
    localizer = ScaleSearchLocalizer(ScaleSearchStub(peaks, offset), ScaleSearchOptions(**options))
    return localizer(IMAGE, [Search(KERNEL, target, centre or (target.cx, target.cy), FILL, use_window)])[0]


@pytest.mark.parametrize("offset", [(0, 0), (3, -5), (-6, 2)])
@pytest.mark.parametrize("centre", [(30.0, 20.0), (217.25, -41.5)])
@pytest.mark.parametrize("last", [(40.0, 30.0), (300.0, 310.0)])
def test_a_peak_moves_the_target_by_stride_times_cells(offset, centre, last):
    target = Target(500.0, 600.0, *last)
    zoom = crop_zoom(target)
    found = search((1.0, 2.0, 1.0), offset, target, centre).target
    step = 8 / 16 * zoom  # a pixel of the enlarged response; the peak lies between two
    assert found.cx == pytest.approx(centre[0] + 8 * offset[1] * zoom, abs=0.51 * step)
    assert found.cy == pytest.approx(centre[1] + 8 * offset[0] * zoom, abs=0.51 * step)
    assert (found.width, found.height) == pytest.approx(last)


@pytest.mark.parametrize(("peaks", "best"), [((2.0, 1.0, 1.0), -1), ((1.0, 2.0, 1.0), 0), ((1.0, 1.0, 2.0), 1)])
@pytest.mark.parametrize("scale_lr", [0.0, 0.5, 1.0])
def test_the_best_scale_changes_the_size_at_its_rate(peaks, best, scale_lr):
    factor = 1.2 ** best
    found = search(peaks, (0, 4), scale_step=1.2, scale_lr=scale_lr).target
    growth = 1 + scale_lr * (factor - 1)
    assert (found.width, found.height) == pytest.approx((40 * growth, 40 * growth))
    zoom = crop_zoom(TARGET) * factor  # the larger crop shows more of the image a pixel
    assert found.cx == pytest.approx(TARGET.cx + 8 * 4 * zoom, abs=0.51 * 8 / 16 * zoom)


def test_other_scales_must_win_by_their_penalty():
    assert search((1.0, 1.0, 1.02), scale_penalty=0.97).target.width == 40
    assert search((1.0, 1.0, 1.05), scale_penalty=0.97).target.width > 40


def test_the_window_of_the_scale_search_prefers_the_centre():
    far = search((1.0, 2.0, 1.0), (0, 7)).target.cx
    assert TARGET.cx < search((1.0, 2.0, 1.0), (0, 7), use_window=True, window_influence=0.9).target.cx < far


def test_the_score_is_the_peaks_probability():
    assert search((-3.0, 2.0, 1.0)).score == pytest.approx(1 / (1 + np.exp(-2)))
