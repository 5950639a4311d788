import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from b2nn.errors import B2nnError
from b2nn.quantizers import ESTIMATORS, binary_sign, two_values, weight_sign

# The pseudo-gradients as their papers state them.
CLOSED_FORM = {
    "ste": lambda d: 1.0 if abs(d) <= 1 else 0.0,
    "bireal": lambda d: 2 + 2 * d if -1 <= d < 0 else 2 - 2 * d if 0 <= d < 1 else 0.0,
    "tanh": lambda d: 1 / math.cosh(d) ** 2,
    "ede": lambda d: 10 / math.cosh(10 * d) ** 2,  # at the end of training
}
finite = st.floats(-4, 4, width=32)


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


@given(finite, finite, st.floats(-3, 3, width=32))
def test_gradients_are_the_closed_forms(x, shift, grad):
    for estimator, slope in CLOSED_FORM.items():
        a, b = torch.tensor(x, requires_grad=True), torch.tensor(shift, requires_grad=True)
        binary_sign(a, b, estimator).backward(torch.tensor(grad))
        expected = grad * slope(float(a.detach() - b.detach()))
        assert a.grad.item() == pytest.approx(expected, rel=1e-4, abs=1e-4)
        assert b.grad.item() == -a.grad.item()


def test_the_decaying_estimator_begins_as_the_identity_and_ends_near_the_sign():
    d = torch.linspace(-1, 1, 21)
    slopes = []
    for progress in (0.0, 0.25, 0.5, 1.0):
        x = d.clone().requires_grad_()
        binary_sign(x, estimator="ede", progress=progress).sum().backward()
        slopes.append(x.grad)
    assert torch.allclose(slopes[0], torch.ones(21), atol=0.01)
    assert torch.allclose(slopes[2], 1 - d.tanh().square())
    peaks = [float(slope[10]) for slope in slopes]
    assert peaks == pytest.approx([1, 1, 1, 10]) and slopes[3][0] < 1e-6
    assert (torch.diff(slopes[1][10:]) < 0).all()


@given(finite, st.floats(-2, 2, width=32), st.floats(0.125, 3, width=32))
def test_adaptive_sets_have_the_gradients_of_the_paper(x, centre, distance):
    """∂y/∂x = g', ∂y/∂centre = 1 - g', ∂y/∂distance = sign - d g', at d = (x - centre) / distance."""
    a, b, width = (torch.tensor(value, requires_grad=True) for value in (x, centre, distance))
    y = two_values(a, b, width, "bireal")
    y.backward()
    sign = 1 if x >= centre else -1
    assert y.item() == pytest.approx(centre + sign * distance, abs=1e-6)
    d = float((a.detach() - b.detach()) / width.detach())
    slope = CLOSED_FORM["bireal"](d)
    assert a.grad.item() == pytest.approx(slope, abs=1e-4)
    assert b.grad.item() == pytest.approx(1 - slope, abs=1e-4)
    assert width.grad.item() == pytest.approx(sign - d * slope, abs=1e-4)


def test_where_the_sign_is_out_of_reach_the_gradients_are_derivatives():
    """Beyond |d| = 1 the clipped estimator's slope is 0, as the sign's own is: finite differences agree."""
    x = torch.tensor([[-3.0, 2.5, 4.0], [-2.0, -5.0, 6.0]], dtype=torch.float64)
    centre = torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64, requires_grad=True)
    distance = torch.tensor(1.2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda b, width: two_values(x, b, width, "ste"), (centre, distance))


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
