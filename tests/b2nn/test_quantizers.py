import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from b2nn.errors import B2nnError
from b2nn.quantizers import ESTIMATORS, binary_sign, weight_sign

# The pseudo-gradients as their papers state them.
CLOSED_FORM = {
    "ste": lambda d: 1.0 if abs(d) <= 1 else 0.0,
    "bireal": lambda d: 2 + 2 * d if -1 <= d < 0 else 2 - 2 * d if 0 <= d < 1 else 0.0,
    "tanh": lambda d: 1 / math.cosh(d) ** 2,
}


def test_every_estimator_has_a_closed_form_here():
    assert CLOSED_FORM.keys() == ESTIMATORS.keys()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_forward_is_the_sign(estimator):
    x = torch.tensor([-2.0, -1e-30, -0.0, 0.0, 1e-30, 3.0, math.inf, -math.inf, math.nan])
    assert binary_sign(x, estimator=estimator).tolist() == [-1, -1, 1, 1, 1, 1, 1, -1, -1]


def test_the_shift_is_compared_not_subtracted():
    """inf >= inf holds, while their difference is NaN."""
    infinity = torch.tensor(math.inf)
    assert binary_sign(infinity, infinity) == 1


@given(st.floats(-4, 4, width=32), st.floats(-4, 4, width=32), st.floats(-3, 3, width=32))
def test_gradients_are_the_closed_forms(x, shift, grad):
    for estimator, slope in CLOSED_FORM.items():
        a, b = torch.tensor(x, requires_grad=True), torch.tensor(shift, requires_grad=True)
        binary_sign(a, b, estimator).backward(torch.tensor(grad))
        expected = grad * slope(float(a.detach() - b.detach()))
        assert a.grad.item() == pytest.approx(expected, abs=1e-5)
        assert b.grad.item() == -a.grad.item()


@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 1, 1), (5, 4), ()])
def test_the_shifts_gradient_is_summed_over_what_it_was_broadcast_to(shape):
    x = torch.randn(2, 3, 5, 4, requires_grad=True)
    shift = torch.zeros(shape, requires_grad=True)
    binary_sign(x, shift).sum().backward()
    assert shift.grad.shape == shape
    assert torch.allclose(shift.grad, -x.grad.sum_to_size(shape))


def test_weights_pass_gradients_straight_within_one():
    weight = torch.tensor([-1.5, -1.0, 0.2, 1.0, 1.01], requires_grad=True)
    weight_sign(weight).sum().backward()
    assert weight.grad.tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype_and_memory_format_are_kept(dtype):
    x = torch.randn(2, 3, 4, 4, dtype=dtype).contiguous(memory_format=torch.channels_last)
    y = binary_sign(x)
    assert y.dtype == dtype and y.is_contiguous(memory_format=torch.channels_last)


def test_an_unknown_estimator_lists_the_known_ones():
    with pytest.raises(B2nnError, match="estimator 'magic' is unknown; choose one of ste, bireal, tanh"):
        binary_sign(torch.ones(1), estimator="magic")
