"""The other precisions against torch: sums of floats are ordered differently, so to a tolerance; int8 exactly."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from b2nn.errors import B2nnError
from b2nn.packed.layout import bf16_weights, depthwise_weights, few_weights, float_weights, int8_weights
from b2nn.packed.native import Buffers, Epilogue, compare, conv, correlate, elementwise, gate, pool, read
from b2nn.packed.step import Steps

# inputs a group, outputs a group, groups, kernel, stride, padding, dilation
CONVS = [(3, 16, 1, 7, 2, 3, 1), (64, 100, 1, 3, 1, 1, 1), (20, 40, 2, 3, 2, 1, 1), (64, 48, 1, 1, 1, 0, 1),
         (8, 33, 1, 3, 1, 2, 2), (4, 1, 4, 2, 1, 0, 1)]  # fmt: skip


def maps(x: torch.Tensor, y: torch.Tensor, border: int) -> tuple[Buffers, Buffers]:
    source = Buffers(*x.shape, border).add_float()
    source.inside()[:] = x
    return source, Buffers(*y.shape, 1).add_float()


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("case", CONVS)
def test_float_bf16_and_int8_convs(found, case):
    inputs, outputs, groups, kernel, stride, padding, dilation = case
    x, weight = torch.randn(2, inputs * groups, 11, 9), torch.randn(outputs * groups, inputs, kernel, kernel)
    geometry = {"stride": (stride,) * 2, "padding": (padding,) * 2, "dilation": (dilation,) * 2}
    y = F.conv2d(x, weight, None, stride, padding, dilation, groups)
    source, dest = maps(x, y, padding)
    Steps(found, conv(source, dest, float_weights(weight, groups), **geometry))(1)
    assert relative(dest.inside(), y) < 1e-5

    source.add_bf16()
    Steps(found, [*elementwise(source, source), *conv(source, dest, bf16_weights(weight, groups), **geometry)])(1)
    y = F.conv2d(x.bfloat16().float(), weight.bfloat16().float(), None, stride, padding, dilation, groups)
    assert torch.equal(source.inside("bf16"), x.bfloat16())
    assert relative(dest.inside(), y) < 1e-5

    source.add_u8(0.02, 117)
    codes = (weight * 30).clamp(-127, 127).to(torch.int8)
    Steps(found, [*elementwise(source, source), *conv(source, dest, int8_weights(codes, groups), **geometry)])(1)
    levels = source.inside("u8").double() - 117
    assert torch.equal(dest.inside(), F.conv2d(levels, codes.double(), None, stride, padding, dilation, groups).float())


@pytest.mark.parametrize("extreme", [-128, 127])
def test_int8_sums_do_not_saturate(found, extreme):
    codes = torch.full((20, 64, 3, 3), extreme, dtype=torch.int8)
    source, dest = maps(torch.empty(1, 64, 5, 7), torch.empty(1, 20, 3, 5), 0)
    source.add_u8(1.0, 0).inside("u8")[:] = 255
    Steps(found, conv(source, dest, int8_weights(codes, 1)))(1)
    assert (dest.inside() == 255 * extreme * 64 * 9).all()


@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 7, 8, 16])
@pytest.mark.parametrize("inputs, kernel, stride, dilation", [(256, 3, 1, 1), (20, 3, 2, 2), (5, 2, 1, 1)])
def test_convs_of_few_outputs(found, outputs, inputs, kernel, stride, dilation):
    x, weight = torch.randn(2, inputs, 11, 9), torch.randn(outputs, inputs, kernel, kernel)
    alpha, beta = torch.rand(outputs), torch.randn(outputs)
    y = F.conv2d(x, weight, None, stride, 1, dilation)
    source, dest = maps(x, y, 1)
    other, _ = maps(torch.randn(*y.shape), y, 0)
    Steps(found, conv(source, dest, few_weights(weight), stride=(stride,) * 2, padding=(1, 1), dilation=(dilation,) * 2,
                      epilogue=Epilogue(alpha, beta=beta, shortcut=other, act="relu")))(2)  # fmt: skip
    wanted = (y * alpha.view(-1, 1, 1) + beta.view(-1, 1, 1) + other.inside()).relu()
    assert relative(dest.inside(), wanted) < 1e-5


def test_more_outputs_than_a_vector_are_not_few():
    with pytest.raises(B2nnError, match="17 outputs are not few"):
        few_weights(torch.ones(17, 32, 1, 1))


@pytest.mark.parametrize("channels, multiplier", [(3, 1), (3, 8), (16, 2), (100, 1), (20, 3)])
def test_depthwise_convs(found, channels, multiplier):
    x, weight = torch.randn(2, channels, 9, 14), torch.randn(channels * multiplier, 1, 3, 3)
    y = F.conv2d(x, weight, None, (2, 1), 1, (1, 2), channels)
    source, dest = maps(x, y, 1)
    Steps(found, conv(source, dest, depthwise_weights(weight), stride=(2, 1), padding=(1, 1), dilation=(1, 2)))(1)
    assert relative(dest.inside(), y) < 1e-5


@pytest.mark.parametrize("kernels", [1, 3])
def test_correlation_with_a_map(found, kernels):
    x, z = torch.randn(3, 36, 10, 12), torch.randn(kernels, 36, 4, 5)
    y = torch.cat([F.conv2d(x[i : i + 1], z[i % kernels][:, None], groups=36) for i in range(3)])
    source, dest = maps(x, y, 0)
    template = Buffers(*z.shape).add_float()
    template.inside()[:] = z
    Steps(found, correlate(source, template, dest))(1)
    assert relative(dest.inside(), y) < 1e-5


@pytest.mark.parametrize("width", [3, 8, 13, 24])
@pytest.mark.parametrize("size, kernels", [(3, 1), (5, 3), (7, 1), (7, 3), (9, 1)])
def test_centred_correlation_with_constants(found, size, kernels, width):
    x, z = torch.randn(3, 80, 6, width), torch.randn(kernels, 80, size, size)
    y = torch.cat([F.conv2d(x[i : i + 1], z[i % kernels][:, None], padding=size // 2, groups=80) for i in range(3)])
    source, dest = maps(x, y, size // 2)
    dest.add_bits(torch.zeros(80))
    template = Buffers(*z.shape).add_float()
    template.inside()[:] = z
    alpha, beta = torch.rand(80), torch.randn(80)
    Steps(found, correlate(source, template, dest, padding=(size // 2,) * 2,
                           epilogue=Epilogue(alpha, beta=beta, act="relu")))(2)  # fmt: skip
    assert relative(dest.inside(), (y * alpha.view(-1, 1, 1) + beta.view(-1, 1, 1)).relu()) < 1e-5


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("size, stride, padding", [(3, 2, 1), (2, 2, 0), (3, 3, 0), (2, 3, 1)])
def test_pools(found, size, stride, padding, ceil_mode):
    x = torch.randn(2, 70, 12, 9)
    for count_include_pad in (False, True):
        y = F.avg_pool2d(x, size, stride, padding, ceil_mode, count_include_pad)
        source, dest = maps(x, y, 1)
        Steps(found, pool("average", source, dest, (size, size), stride=(stride,) * 2, padding=(padding,) * 2,
                          count_include_pad=count_include_pad))(1)  # fmt: skip
        torch.testing.assert_close(dest.inside(), y, rtol=1e-6, atol=1e-6)
    x.view(-1)[::17] = float("nan")
    x.view(-1)[::13] = -float("inf")
    y = F.max_pool2d(x, size, stride, padding, 1, ceil_mode)
    source, dest = maps(x, y, 0)
    Steps(found, pool("max", source, dest, (size, size), stride=(stride,) * 2, padding=(padding,) * 2))(1)
    torch.testing.assert_close(dest.inside(), y, rtol=0, atol=0, equal_nan=True)


def test_sum_of_two_maps_emits_every_format(found):
    a, b = torch.randn(2, 2, 40, 5, 6)
    source, dest = maps(a, a, 1)
    other, _ = maps(b, b, 0)
    dest.add_bf16().add_u8(0.05, 128)
    Steps(found, elementwise(source, dest, epilogue=Epilogue(shortcut=other, act="relu")))(1)
    y = (a + b).relu()
    assert torch.equal(dest.inside(), y)
    assert torch.equal(dest.inside("bf16"), y.bfloat16())
    assert torch.equal(dest.inside("u8").float(), (y * (1 / 0.05)).round().clamp(-128, 127) + 128)


def test_border_stays_as_it_was_filled(found):
    source, dest = maps(torch.ones(1, 16, 3, 3), torch.ones(1, 16, 3, 3), 1)
    dest.add_u8(0.1, 7)
    Steps(found, elementwise(source, dest))(1)
    for data, border in ((dest.float, 0), (dest.u8, 7)):
        data[:, 1:-1, 1:-1] = border
        assert (data == border).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("channels", [1, 3, 4, 20])
@pytest.mark.parametrize("width", [1, 3, 4, 21])
def test_a_callers_image_is_read_into_every_format(found, dtype, channels, width):
    image = torch.randint(0, 256, (2, 5, width, channels)).to(dtype)
    alpha, beta = torch.rand(channels) / 50, torch.randn(channels)
    y = image.permute(0, 3, 1, 2) * alpha.view(-1, 1, 1) + beta.view(-1, 1, 1)
    dest = Buffers(*y.shape, 2).add_float().add_bf16().add_u8(0.02, 100)
    dest.add_bits(torch.zeros(channels))
    only_numbers = Buffers(*y.shape, 1).add_float().add_bf16().add_u8(0.02, 100)  # as images are read fastest
    for to in (dest, only_numbers):
        run = Steps(found, read(dtype, to, epilogue=Epilogue(alpha, beta=beta)))
        for part in (image.clone(), image):  # wherever it is
            run.bind(0, part.data_ptr())
            run(2)
        assert torch.equal(to.inside(), y)
        assert torch.equal(to.inside("bf16"), y.bfloat16())
        assert torch.equal(to.inside("u8").float(), (y * (1 / 0.02)).round().clamp(-100, 155) + 100)
        for data, format, border in ((to.float, "float", 0), (to.bf16, "bf16", 0), (to.u8, "u8", 100)):
            to.inside(format)[:] = border
            assert (data == border).all()
    negative = torch.from_numpy(np.unpackbits(dest.bits[0].data[:, 2:-2, 2:-2].numpy(), axis=-1, bitorder="little"))
    assert torch.equal(negative[..., :channels].permute(0, 3, 1, 2).bool(), y < 0)


@pytest.mark.parametrize("inputs, cells", [(48, (8, 8)), (20, (3, 5)), (7, (16, 8))])
def test_every_pixel_with_every_pixel(found, inputs, cells):
    x, z = torch.randn(1, inputs, 9, 6), torch.randn(1, inputs, *cells)
    y = (z.flatten(2).transpose(1, 2) @ x.flatten(2)).unflatten(2, x.shape[2:])
    source, dest = maps(x, y, 1)
    kernel = Buffers(*z.shape, 2).add_float()
    kernel.inside()[:] = z
    Steps(found, compare(source, kernel, dest))(2)
    assert relative(dest.inside(), y) < 1e-5


def test_gates_are_read_when_the_step_runs(found):
    x, (source, dest) = torch.randn(1, 32, 5, 4), maps(torch.randn(1, 32, 5, 4), torch.empty(1, 32, 5, 4), 1)
    gates = Buffers(1, 32, 1, 1).add_float()
    run = Steps(found, gate(source, gates, dest))
    source.inside()[:] = x
    for _ in range(2):
        gates.inside()[:] = torch.randn(1, 32, 1, 1)
        run(1)
        assert torch.equal(dest.inside(), x * gates.inside())


def test_each_image_of_a_batch_has_its_own_kernel_and_gates(found):
    x, z, gates = torch.randn(3, 32, 5, 4), torch.randn(3, 32, 4, 4), torch.randn(3, 32, 1, 1)
    compared = (z.flatten(2).transpose(1, 2) @ x.flatten(2)).unflatten(2, (5, 4))
    source, dest = maps(x, compared, 1)
    kernel, weights = Buffers(*z.shape, 2).add_float(), Buffers(*gates.shape).add_float()
    kernel.inside()[:], weights.inside()[:] = z, gates
    Steps(found, compare(source, kernel, dest))(2)
    assert relative(dest.inside(), compared) < 1e-5
    gated = Buffers(*x.shape, 1).add_float()
    Steps(found, gate(source, weights, gated))(1)
    assert torch.equal(gated.inside(), x * gates)
    with pytest.raises(B2nnError, match="an image for each"):
        compare(source, kernel.image(0), dest)
    with pytest.raises(B2nnError, match="gates of 1 images"):
        gate(source, weights.image(0), gated)


def test_sigmoid(found):
    x = torch.cat([torch.linspace(-100, 100, 191), torch.tensor([float("nan")])]).view(1, 3, 8, 8)
    source, dest = maps(x, x, 0)
    Steps(found, elementwise(source, dest, epilogue=Epilogue(act="sigmoid")))(1)
    torch.testing.assert_close(dest.inside(), x.sigmoid(), rtol=3e-7, atol=1e-30, equal_nan=True)


def test_inputs_gates_and_kernels_that_do_not_fit_are_refused(found):
    dest = Buffers(1, 16, 4, 4).add_float()
    with pytest.raises(B2nnError, match=r"not from torch\.float64"):
        read(torch.float64, dest)
    with pytest.raises(B2nnError, match="a map of one pixel"):
        gate(dest, Buffers(1, 16, 1, 1, border=1).add_float(), dest)
    with pytest.raises(B2nnError, match="a multiple of 64"):
        compare(dest, Buffers(1, 16, 9, 9).add_float(), Buffers(1, 81, 4, 4).add_float())


def test_pools_and_sums_that_do_not_fit_are_refused(found):
    source, dest = maps(torch.ones(1, 16, 5, 5), torch.ones(1, 16, 5, 5), 0)
    with pytest.raises(B2nnError, match="makes 2 of 5, not 5"):
        pool("max", source, dest, (2, 2), stride=(2, 2))
    with pytest.raises(B2nnError, match="same shape"):
        elementwise(source, Buffers(1, 16, 4, 5).add_float())
    with pytest.raises(B2nnError, match="no bf16 format"):
        conv(source, dest, bf16_weights(torch.ones(16, 16, 1, 1), 1))
