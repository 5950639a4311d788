"""The torch operator for one binary conv: the simulated layer's numbers, with and without kernels."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch._subclasses import FakeTensorMode

from b2nn.errors import B2nnError, UnsupportedModule
from b2nn.layers import BinaryConv2d
from b2nn.packed import ops
from b2nn.packed.ops import PackedConv2d, binary_conv2d, pack_signs, unpack_signs
from b2nn.recipe import Recipe


def layer(*args, scale="mean", **kwargs) -> BinaryConv2d:
    binary = BinaryConv2d(*args, recipe=Recipe(scale=scale), **kwargs)
    nn.init.normal_(binary.shift, std=0.3)
    return binary.eval()


@pytest.fixture(params=["kernels", "torch"])
def way(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(ops, "library", lambda: None)


@pytest.mark.parametrize("scale", ["mean", "learned", "none"])
@pytest.mark.parametrize("options", [
    {"padding": 1}, {"padding": "same", "dilation": 2}, {"stride": 2, "groups": 4, "bias": False}, {"padding": "valid"},
])
def test_equals_the_simulated_layer(way, options, scale):
    simulated = layer(20, 24, 3, scale=scale, **options)
    packed, x = PackedConv2d(simulated), torch.randn(2, 20, 9, 8)
    with torch.no_grad():
        for inputs in (x, x, x[:1, :, :6], x.transpose(2, 3), x.to(memory_format=torch.channels_last), x[:0]):
            y, wanted = packed(inputs), simulated(inputs)
            assert torch.equal(y, wanted)
            assert y.shape == wanted.shape and y.is_contiguous(memory_format=torch.channels_last)


def test_weights_that_change_are_noticed(way):
    packed, x = PackedConv2d(layer(16, 16, 3)), torch.randn(1, 16, 5, 5)
    before = packed(x)
    packed.alpha.mul_(2)
    packed.bias.zero_()
    after = packed(x)
    packed.signs.bitwise_not_()
    assert not torch.equal(before, after) and torch.equal(packed(x), -after)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_changes_that_nothing_counts_are_noticed(way, mode):
    packed, x = PackedConv2d(layer(16, 16, 3, bias=False)), torch.randn(1, 16, 5, 5)
    with mode():
        alpha = packed.alpha.clone()
        before = binary_conv2d(x, packed.signs, packed.threshold, alpha)
        alpha.data.mul_(2)
        assert torch.equal(binary_conv2d(x, packed.signs, packed.threshold, alpha), 2 * before)


SIDES = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(value=st.sampled_from([-1, 0, 1]), kernel=SIDES, stride=SIDES, dilation=SIDES, padding=SIDES,
       groups=st.integers(1, 2), channels=st.integers(1, 70))
@settings(max_examples=40, deadline=None)
def test_any_padding_value_equals_a_conv_of_signs(value, kernel, stride, dilation, padding, groups, channels):
    x, weight = torch.randn(2, groups * channels, 8, 9), torch.randn(groups * 5, channels, *kernel)
    alpha, threshold = torch.rand(groups * 5), 0.3 * torch.randn(groups * channels)
    signs = torch.where(x >= threshold.view(-1, 1, 1), 1.0, -1.0)
    signs = F.pad(signs, (padding[1], padding[1], padding[0], padding[0]), value=value)
    wanted = F.conv2d(signs, torch.where(weight >= 0, 1.0, -1.0), None, stride, 0, dilation, groups)
    options = dict(stride=stride, padding=padding, dilation=dilation, groups=groups, pad_value=value)
    given = (x, pack_signs(weight), threshold, alpha)
    assert torch.equal(binary_conv2d(*given, **options), wanted * alpha.view(-1, 1, 1))
    reference = ops.reference_conv2d(*given, None, *options.values())
    assert torch.equal(reference, wanted * alpha.view(-1, 1, 1))


def test_signs_round_trip():
    weight = torch.randn(5, 13, 3, 2)
    weight[0, 0] = 0
    signs = pack_signs(weight)
    assert signs.shape == (5, 3, 2, 2) and torch.equal(unpack_signs(signs, 13), weight < 0)


def test_wrong_inputs_are_refused_by_name(way):
    packed = PackedConv2d(layer(16, 8, 3))
    with pytest.raises(B2nnError, match=r"takes float32, not torch.float64; call .float\(\)"):
        packed(torch.randn(1, 16, 5, 5).double())
    with pytest.raises(B2nnError, match="do not fit signs"):
        packed(torch.randn(1, 25, 5, 5))
    with pytest.raises(B2nnError, match="does not fit a map"):
        packed(torch.randn(1, 16, 2, 5))
    with pytest.raises(B2nnError, match="threshold has shape"):
        binary_conv2d(torch.randn(1, 16, 5, 5), packed.signs, torch.zeros(3), packed.alpha)
    given = (torch.randn(1, 16, 5, 5), packed.signs, packed.threshold, packed.alpha)
    with pytest.raises(B2nnError, match=r"alpha is torch\.float64, needed is float32"):
        binary_conv2d(*given[:3], packed.alpha.double())
    with pytest.raises(B2nnError, match="pad_value is 2; choose -1, 0 or 1"):
        binary_conv2d(*given, pad_value=2)
    with pytest.raises(UnsupportedModule, match=r"b2nn\.packed\.pack"):
        PackedConv2d(layer(16, 8, 3, scale="adabin"))


def test_fake_kernel_and_export():
    packed, x = PackedConv2d(layer(16, 8, 3, stride=2)), torch.randn(2, 16, 9, 9)
    wanted = packed(x)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake = packed(mode.from_tensor(x))
    assert fake.shape == wanted.shape and fake.stride() == wanted.stride()
    program = torch.export.export(packed, (x,))
    assert "b2nn.binary_conv2d" in str(program.graph)
    assert torch.equal(program.module()(x), wanted)
