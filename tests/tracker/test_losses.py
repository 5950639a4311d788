"""Losses on cases that can be checked by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tracker import losses
from tracker.losses import Distillation, balanced_cross_entropy, block_error, distill, giou
from tracker.models import Predictions
from tracker.targets import Targets

side = st.floats(0.5, 50)


@given(st.tuples(side, side, side, side), st.tuples(side, side, side, side))
def test_giou_is_symmetric_bounded_and_one_only_for_equal_boxes(first, second):
    a, b = torch.tensor(first), torch.tensor(second)
    value = giou(a, b)
    assert torch.isclose(value, giou(b, a), atol=1e-5)
    assert -1 - 1e-5 <= value <= 1 + 1e-5
    assert torch.isclose(giou(a, a), torch.tensor(1.0), atol=1e-5)


def test_giou_of_half_a_box():
    assert giou(torch.tensor([1.0, 1, 1, 1]), torch.tensor([1.0, 1, 0, 1])) == pytest.approx(0.5)


def test_balanced_cross_entropy_weighs_one_positive_as_much_as_many_negatives():
    labels = torch.tensor([[1.0, 0, 0, 0, -1]])
    logits = torch.tensor([[0.0, 0, 0, 0, 99]])
    assert balanced_cross_entropy(logits, labels) == pytest.approx(0.6931, abs=1e-4)
    assert balanced_cross_entropy(torch.zeros(1, 2), torch.zeros(1, 2)) == pytest.approx(0.3466, abs=1e-4)


def predictions(cls: float, box: float) -> Predictions:
    return Predictions(torch.full((1, 2, 2), cls), torch.zeros(1, 2, 2), torch.full((1, 4, 2, 2), box))


def test_perfect_predictions_cost_next_to_nothing():
    targets = Targets(torch.ones(1, 2, 2), torch.ones(1, 2, 2), torch.full((1, 4, 2, 2), 8.0))
    result = losses.anchor_free(predictions(20.0, 8.0)._replace(centerness=torch.full((1, 2, 2), 20.0)), targets)
    assert all(value < 1e-4 for value in result.values())


def test_a_batch_without_targets_asks_nothing_of_the_boxes():
    targets = Targets(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), torch.zeros(1, 4, 2, 2))
    result = losses.anchor_free(predictions(0.0, 8.0), targets)
    assert result["loss_box"] == 0 and result["loss_centerness"] == 0 and result["loss_cls"] > 0


def test_distillation_is_zero_for_the_teacher_itself_and_positive_otherwise():
    features = torch.randn(2, 3, 4, 4)
    same = distill(predictions(2.0, 8.0), predictions(2.0, 8.0), features, features, Distillation())
    assert set(same) == {"loss_features", "loss_teacher_cls", "loss_teacher_box"}
    assert all(abs(value) < 1e-5 for value in same.values())
    other = distill(predictions(-2.0, 4.0), predictions(2.0, 8.0), features + 1, features, Distillation())
    assert all(value > 0.1 for value in other.values())


def test_weights_of_zero_leave_a_term_out():
    features = torch.randn(1, 3, 4, 4)
    weights = Distillation(cls=0.0, box=0.0, features=0.0)
    assert distill(predictions(1.0, 2.0), predictions(0.0, 3.0), features, features, weights) == {}


def test_the_error_of_blocks_is_the_mean_over_stages_in_units_of_the_teachers_variance():
    small, large = torch.randn(2, 3, 8, 8), 100 * torch.randn(2, 5, 4, 4)
    assert block_error([small, large], [small, large]) == 0
    constant = large.mean((0, 2, 3), keepdim=True).expand_as(large)  # as bad as knowing the mean alone: 1
    assert block_error([small, constant], [small, large]) == pytest.approx(0.5, abs=0.02)
