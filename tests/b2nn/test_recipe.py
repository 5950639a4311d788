"""What every recipe promises: the same layer in training and evaluation, which bits and integers can compute."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from b2nn.errors import B2nnError
from b2nn.layers import BinaryConv2d, BinaryLinear, binary_form
from b2nn.quantizers import ESTIMATORS, two_values
from b2nn.recipe import SCALES, Recipe

PACKED = [scale for scale in SCALES if scale != "xnor"]


def randomized(layer):
    """Values that a trained layer may have: shifts off zero, scales and distance positive."""
    for name, parameter in layer.named_parameters():
        low = 0.2 if name in ("scale", "distance") else -1
        nn.init.uniform_(parameter, low, 1)
    return layer


def signs(values, threshold):
    return torch.where(values >= threshold, 1.0, -1.0)


@settings(deadline=None, max_examples=60)
@given(scale=st.sampled_from(PACKED), groups=st.integers(1, 2), inputs=st.integers(1, 4), outputs=st.integers(1, 3),
       kernel=st.integers(1, 3), stride=st.integers(1, 2), padding=st.integers(0, 2), dilation=st.integers(1, 2),
       bias=st.booleans(), seed=st.integers(0, 2**31))
def test_a_convolution_is_integer_sums_and_one_affine_map_a_channel(scale, groups, inputs, outputs, kernel, stride,
                                                                    padding, dilation, bias, seed):
    torch.manual_seed(seed)
    layer = randomized(BinaryConv2d(inputs * groups, outputs * groups, kernel, stride, padding, dilation, groups, bias,
                                    recipe=Recipe(scale=scale)))
    x = torch.randn(2, inputs * groups, 6, 5)

    def convolved(maps, weight):
        return F.conv2d(maps, weight, None, stride, padding, dilation, groups)

    with torch.no_grad():
        bits = signs(x, layer.shift.view(-1, 1, 1))
        kernels = signs(layer.weight, layer.middle().view(-1, 1, 1, 1))
        sums, ones = convolved(bits, kernels), convolved(bits, torch.ones_like(kernels))
        assert torch.equal(sums, sums.round()) and torch.equal(ones, ones.round())
        alpha, middle = layer.alpha().view(-1, 1, 1), layer.middle().view(-1, 1, 1)
        if scale == "adabin":
            centres = layer.shift.view(-1, 1, 1).expand_as(x[:1])
            constant = convolved(centres, alpha.unsqueeze(-1) * kernels + middle.unsqueeze(-1))  # (1, out, H', W')
            expected = layer.distance * alpha * sums + layer.distance * middle * ones + constant
        else:
            assert (middle == 0).all()
            expected = alpha * sums
        if bias:
            expected = expected + layer.bias.view(-1, 1, 1)
        got = layer(x)
    assert torch.allclose(got, expected, atol=1e-4) if scale == "adabin" else torch.equal(got, expected)


@torch.no_grad()
@pytest.mark.parametrize("scale", PACKED)
def test_a_linear_layer_is_integer_sums_and_one_affine_map_a_channel(scale):
    layer, x = randomized(BinaryLinear(7, 3, recipe=Recipe(scale=scale))), torch.randn(2, 5, 7)
    bits, kernels = signs(x, layer.shift), signs(layer.weight, layer.middle().unsqueeze(1))
    expected = layer.alpha() * (bits @ kernels.T) + layer.bias
    if scale == "adabin":
        values = layer.alpha().unsqueeze(1) * kernels + layer.middle().unsqueeze(1)
        expected = (layer.distance * bits + layer.shift) @ values.T + layer.bias
    assert torch.allclose(layer(x), expected, atol=1e-6)


@torch.no_grad()
def test_xnor_scales_every_position_by_the_mean_magnitude_of_its_window():
    layer = randomized(BinaryConv2d(4, 4, 3, groups=2, bias=False, recipe=Recipe(scale="xnor")))
    plain = BinaryConv2d.from_conv(layer)
    plain.shift.copy_(layer.shift)
    x = torch.randn(1, 4, 3, 3)
    windows = (x - layer.shift.view(-1, 1, 1)).abs()[0].view(2, -1).mean(1)[[0, 0, 1, 1]]  # one a group of channels
    assert torch.allclose(layer(x)[0, :, 0, 0], plain(x)[0, :, 0, 0] * windows, atol=1e-6)
    linear = randomized(BinaryLinear(4, 2, bias=False, recipe=Recipe(scale="xnor")))
    once, twice = linear(linear.shift + torch.eye(4)), linear(linear.shift + 2 * torch.eye(4))
    assert torch.allclose(2 * once, twice, atol=1e-6)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_training_and_evaluation_compute_the_same(scale, estimator):
    layer = randomized(BinaryConv2d(4, 4, 3, recipe=Recipe(estimator, scale)))
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(layer.train()(x), layer.eval()(x))


@pytest.mark.parametrize("scale", SCALES)
def test_adaptive_or_not_a_channel_has_two_weights_around_its_middle(scale):
    layer = randomized(BinaryConv2d(4, 3, 3, recipe=Recipe(scale=scale)))
    for values, middle, alpha in zip(layer.kernel(), layer.middle(), layer.alpha(), strict=True):
        wanted = torch.stack((middle - alpha, middle + alpha)) if scale == "adabin" else torch.tensor([-1.0, 1.0])
        assert torch.allclose(values.unique(), wanted)


def test_adaptive_weights_keep_mean_and_spread_and_inputs_take_two_values_a_channel():
    layer = randomized(BinaryConv2d(4, 3, 3, recipe=Recipe(scale="adabin")))
    assert torch.allclose(layer.middle(), layer.weight.mean((1, 2, 3)))
    assert torch.allclose(layer.alpha(), layer.weight.flatten(1).std(1, correction=0))
    centre = layer.shift.view(-1, 1, 1)
    values = two_values(torch.randn(2, 4, 5, 5), centre, layer.distance, "bireal")
    for channel, middle in zip(values.transpose(0, 1), layer.shift, strict=True):
        assert torch.allclose(channel.unique(), torch.stack((middle - layer.distance, middle + layer.distance)))


@torch.no_grad()
def test_the_sign_of_the_distance_and_weights_without_spread_do_no_harm():
    layer = randomized(BinaryLinear(4, 2, recipe=Recipe(scale="adabin")))
    x, before = torch.randn(3, 4), None
    before = layer(x)
    layer.distance.neg_()
    assert torch.equal(layer(x), before)
    layer.weight.fill_(0.3), layer.distance.zero_()
    assert layer(x).isfinite().all()


@pytest.mark.parametrize("scale", SCALES)
def test_every_parameter_learns_in_both_steps_also_under_autocast(scale):
    layer = randomized(BinaryConv2d(4, 4, 3, recipe=Recipe(scale=scale, real_weights=0.5)))
    for progress in (0.1, 0.9):
        layer.progress = progress
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(torch.randn(2, 4, 6, 6))
        y.float().square().sum().backward()
        assert y.dtype == torch.bfloat16
        assert all(parameter.grad.isfinite().all() and parameter.grad.any() for parameter in layer.parameters())


@pytest.mark.parametrize("scale", SCALES)
def test_two_steps_convolve_with_real_weights_first_and_end_exactly_binary(scale):
    conv = nn.Conv2d(3, 4, 3)
    layer, binary = binary_form(conv, Recipe(scale=scale, real_weights=0.4)), binary_form(conv, Recipe(scale=scale))
    x = signs(torch.randn(1, 3, 5, 5), 0.0)
    layer.progress = 0.39
    if scale != "none":  # whose scale the weights give up
        assert torch.allclose(layer(x), conv(x), atol=1e-5)  # ±1 are their own signs, and α the weights' magnitude
    assert len(layer.kernel().unique()) > 8
    for progress in (0.4, 1.0):
        layer.progress = progress
        assert torch.equal(layer(x), binary(x))


@pytest.mark.parametrize("scale", SCALES)
def test_while_weights_are_real_their_gradient_is_the_derivative(scale):
    layer = randomized(BinaryLinear(3, 2, recipe=Recipe(scale=scale, real_weights=0.5))).double()
    layer.progress = 0.0
    x = torch.randn(4, 3, dtype=torch.float64)

    def forward(weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (x,))

    assert torch.autograd.gradcheck(forward, (layer.weight, layer.bias))


@pytest.mark.parametrize(("options", "message"), [
    (dict(scale="median"), "scale is 'median'; it must be one of mean, learned, none, xnor, adabin"),
    (dict(estimator="magic"), "estimator is 'magic'; it must be one of ste, bireal"),
    (dict(kurtosis=-1.0), "kurtosis is -1.0; it must be at least 0"),
    (dict(kurtosis_target=0.5), "kurtosis_target is 0.5; it must be at least 1"),
    (dict(real_weights=1.0), "real_weights is 1.0; it must be at least 0 and below 1"),
])
def test_bad_values_are_named_with_what_is_allowed(options, message):
    with pytest.raises(B2nnError, match=message):
        Recipe(**options)
