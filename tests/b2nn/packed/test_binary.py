"""Binary convs by the kernels equal torch's float conv on ±1 tensors bit by bit, and so does all that follows one."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from b2nn.errors import B2nnError
from b2nn.packed.layout import binary_weights, output_size
from b2nn.packed.native import Buffers, Epilogue, conv, elementwise
from b2nn.packed.step import ACTIVATIONS as ALL
from b2nn.packed.step import Steps

PARAMETERS = {"prelu": 1, "rprelu": 3}
ACTIVATIONS = [name for name in ALL if name != "sigmoid"]  # that one is right to a tolerance only


def column(v):
    return v.view(-1, 1, 1)


def signs(x, threshold):
    return torch.where(x >= column(threshold), 1.0, -1.0)


def summed(x, threshold, weight, stride, padding, dilation, value, groups):
    """Sums of ±1 by torch, with `value` around the map."""
    padded = F.pad(signs(x, threshold), (padding[1], padding[1], padding[0], padding[0]), value=float(value))
    return F.conv2d(padded, torch.where(weight >= 0, 1.0, -1.0), None, stride, 0, dilation, groups)


def activated(y, act, p):
    if act == "prelu":
        return torch.where(y > 0, y, y * column(p[0]))
    if act == "rprelu":
        d = y - column(p[0])
        return torch.where(d > 0, d, d * column(p[1])) + column(p[2])
    plain = {"none": lambda t: t, "relu": torch.relu, "relu6": F.relu6, "binrelu": lambda t: t.clamp(min=-1),
             "hardswish": lambda t: t * F.relu6(t + 3) / 6}
    return plain[act](y)


def native(found, x, threshold, weight, stride=(1, 1), padding=(0, 0), dilation=(1, 1), value=0, groups=1,
           epilogue=None, border=None, threads=1):
    """The kernels' result, from a float tensor over bits to floats."""
    border = max(padding) if border is None else border
    source = Buffers(*x.shape, border).add_float()
    source.add_bits(threshold, groups)
    size = [output_size(*of) for of in zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)]
    dest = Buffers(len(x), len(weight), *size, 1).add_float()
    weights = binary_weights(~(weight >= 0), groups, found.level)
    steps = [*elementwise(source, source),
             *conv(source, dest, weights, stride=stride, padding=padding, dilation=dilation, padding_value=value,
                   epilogue=epilogue or Epilogue())]
    source.inside()[:] = x
    Steps(found, steps)(threads)
    return dest.inside()


CASES = [*itertools.product((3, 17, 40, 65, 96, 100), (1, 3, 5), (1, 2)), (512, 3, 1), (32, 3, 2)]


@pytest.mark.parametrize("channels, kernel, stride", CASES)
def test_equals_float_conv(found, channels, kernel, stride):
    torch.manual_seed(channels)
    for outputs, side, padding, value in ((channels, 7, kernel // 2, 0), (16, 6, kernel // 2 + 1, -1), (70, 9, 1, 1)):
        if side + 2 * padding < kernel:
            continue
        x, threshold, weight = torch.randn(2, channels, side, side), torch.randn(channels), torch.randn(
            outputs, channels, kernel, kernel)
        args = (x, threshold, weight, (stride, stride), (padding, padding), (1, 1), value, 1)
        assert torch.equal(native(found, *args), summed(*args))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_shape_and_epilogue(found, data):
    pick = lambda *values: data.draw(st.sampled_from(values))  # noqa: E731
    pair = lambda *values: (pick(*values), pick(*values))  # noqa: E731
    torch.manual_seed(pick(*range(10)))
    groups, inputs, outputs = pick(1, 1, 2, 4), pick(1, 3, 17, 32, 64, 65, 96), pick(1, 3, 16, 33, 64, 100, 130)
    kernel, stride, padding, dilation = pair(1, 2, 3), pair(1, 2, 3), pair(0, 1, 2), pair(1, 2)
    value, act = pick(0, 0, -1, 1), pick(*ACTIVATIONS)
    x = torch.randn(pick(1, 2), inputs * groups, pick(1, 5, 8), pick(2, 7, 13))
    size = [output_size(*of) for of in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)]
    if min(size) < 1:
        return
    channels = outputs * groups
    threshold, weight = torch.randn(inputs * groups), torch.randn(channels, inputs, *kernel)
    alpha, gamma, beta, emitted = torch.randn(4, channels)
    parameters = list(torch.randn(PARAMETERS.get(act, 0), channels))
    shortcut = torch.randn(len(x), channels, *size)
    source = Buffers(*x.shape, max(padding) + pick(0, 1)).add_float()
    source.add_bits(threshold, groups)
    added = Buffers(*shortcut.shape, 2).add_float()
    source.inside()[:], added.inside()[:] = x, shortcut
    dest = Buffers(*shortcut.shape, pick(0, 1)).add_float().add_bf16().add_u8(0.05, 100)
    dest.add_bits(emitted)
    dest.add_bits(-emitted)
    weights = binary_weights(~(weight >= 0), groups, found.level)
    steps = [*elementwise(source, source),
             *conv(source, dest, weights, stride=stride, padding=padding, dilation=dilation, padding_value=value,
                   epilogue=Epilogue(alpha, gamma, beta, None, added, act, parameters))]
    Steps(found, steps)(1)
    sums = summed(x, threshold, weight, stride, padding, dilation, value, groups)
    ones = summed(x, threshold, torch.ones_like(weight), stride, padding, dilation, value, groups)
    y = sums * column(alpha) + column(gamma) * ones + column(beta) + shortcut
    y = activated(y, act, parameters)
    assert torch.equal(dest.inside(), y)
    assert torch.equal(dest.inside("bf16"), y.bfloat16())
    codes = (y * np.float32(1 / 0.05)).round().clamp(-100, 155) + 100
    assert torch.equal(dest.inside("u8").float(), codes)
    for plane, t in zip(dest.bits, (emitted, -emitted), strict=True):
        b, spare = dest.border, plane.data.shape[3] * 8 - channels
        inside = plane.data[:, b : b + size[0], b : b + size[1]]
        bits = np.unpackbits(inside.numpy(), axis=-1, bitorder="little")
        negative = (signs(y, t) < 0).permute(0, 2, 3, 1).numpy()
        np.testing.assert_array_equal(bits, np.pad(negative, [(0, 0)] * 3 + [(0, spare)]))


def test_constant_of_each_tap_inside_the_map(found):
    """As AdaBin's C: what does not depend on the input but on the taps that do not hang over the border."""
    torch.manual_seed(0)
    x, threshold, weight, taps = torch.randn(1, 20, 6, 5), torch.zeros(20), torch.randn(24, 20, 3, 3), torch.randn(
        24, 3, 3)
    y = native(found, x, threshold, weight, (2, 1), (1, 1), epilogue=Epilogue(beta_taps=taps))
    constant = F.conv2d(torch.ones(1, 1, 6, 5).double(), taps[:, None].double(), None, (2, 1), 1)
    sums = summed(x, threshold, weight, (2, 1), (1, 1), (1, 1), 0, 1)
    torch.testing.assert_close(y, sums + constant.float(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("flush", [False, True])
def test_values_that_compare_oddly(found, flush):
    """NaN is -1, -0.0 >= 0.0 is +1, x equal to t is +1, and denormals count also where the thread flushes them."""
    values = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e-40, -1e-40, 1.5])
    x = values.repeat(8).view(1, 64, 1, 1)
    threshold = torch.cat([torch.zeros(56), torch.full((8,), 1.5)])
    weight = torch.eye(64).view(64, 64, 1, 1) - 0.5
    wanted = summed(x, threshold, weight, (1, 1), (0, 0), (1, 1), 0, 1)
    torch.set_flush_denormal(flush)
    try:
        assert torch.equal(native(found, x, threshold, weight), wanted)
    finally:
        torch.set_flush_denormal(False)


def test_nan_through_every_activation(found):
    y = Buffers(1, 16, 1, 1).add_float()
    x = Buffers(1, 16, 1, 1).add_float()
    x.inside()[:] = float("nan")
    for act in ACTIVATIONS:
        parameters = [torch.ones(16)] * PARAMETERS.get(act, 0)
        Steps(found, elementwise(x, y, epilogue=Epilogue(act=act, act_parameters=parameters)))(1)
        assert y.inside().isnan().all(), act


def test_two_threads_change_nothing(found):
    torch.manual_seed(0)
    x, threshold, weight = torch.randn(1, 64, 31, 33), torch.zeros(64), torch.randn(64, 64, 3, 3)
    args = (found, x, threshold, weight, (1, 1), (1, 1))
    assert torch.equal(native(*args, threads=2), native(*args, threads=1))


def test_parts_of_a_map(found):
    """Two convs write into the channel ranges of one map; a third reads one range."""
    torch.manual_seed(0)
    x, weight = torch.randn(1, 64, 5, 5), torch.randn(96, 64, 3, 3)
    source, dest = Buffers(1, 64, 5, 5, 1).add_float(), Buffers(1, 96, 5, 5, 1).add_float()
    source.add_bits(torch.zeros(64))
    dest.add_bits(torch.zeros(96))
    source.inside()[:] = x
    pieces = [(0, 32), (32, 96)]
    steps = elementwise(source, source)
    for start, stop in pieces:
        weights = binary_weights(~(weight[start:stop] >= 0), 1, found.level)
        steps += conv(source, dest.part(start, stop), weights, padding=(1, 1))
    last, out = torch.randn(16, 64, 1, 1), Buffers(1, 16, 5, 5).add_float()
    steps += conv(dest.part(32, 96), out, binary_weights(~(last >= 0), 1, found.level))
    Steps(found, steps)(1)
    y = summed(x, torch.zeros(64), weight, (1, 1), (1, 1), (1, 1), 0, 1)
    assert torch.equal(dest.inside(), y)
    assert torch.equal(out.inside(), summed(y[:, 32:], torch.zeros(64), last, (1, 1), (0, 0), (1, 1), 0, 1))


def test_what_does_not_fit_is_refused(found):
    source, dest = Buffers(1, 64, 5, 5).add_float(), Buffers(1, 32, 5, 5).add_float()
    source.add_bits(torch.zeros(64))
    weights = binary_weights(torch.ones(32, 64, 3, 3, dtype=torch.bool), 1, found.level)
    with pytest.raises(B2nnError, match="padding of 1"):
        conv(source, dest, weights, padding=(1, 1))
    with pytest.raises(B2nnError, match="3x3, not"):
        conv(source, dest, weights)
    with pytest.raises(B2nnError, match="channels does not fit"):
        conv(Buffers(1, 65, 7, 7).add_float(), dest, weights)
    with pytest.raises(B2nnError, match="no bits"):
        conv(Buffers(1, 64, 7, 7).add_float(), dest, weights)
    with pytest.raises(B2nnError, match="activation 'swish'"):
        elementwise(dest, dest, epilogue=Epilogue(act="swish"))
