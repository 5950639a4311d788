import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from b2nn.errors import B2nnError, UnsupportedModule
from b2nn.layers import SCALES, BinaryConv2d, BinaryLinear, binary_form
from b2nn.recipe import Recipe

CONVS = [
    dict(kernel_size=3, padding=1),
    dict(kernel_size=3, stride=2, bias=False),
    dict(kernel_size=(1, 3), padding=(0, 2), dilation=(1, 2), groups=2),
    dict(kernel_size=3, padding="same"),
]


def reference(layer, x):
    """The definition, output by output, in plain loops over a (1, in, H, W) input."""
    out = layer.out_channels
    height, width = F.conv2d(x, layer.weight, None, layer.stride, layer.padding).shape[2:]
    pad = layer.padding[0]
    y = torch.zeros(out, height, width)
    for o, row, column in itertools.product(range(out), range(height), range(width)):
        total = 0
        for c, i, j in itertools.product(range(layer.in_channels), range(layer.kernel_size[0]),
                                         range(layer.kernel_size[1])):
            r, s = row * layer.stride[0] + i - pad, column * layer.stride[1] + j - pad
            if 0 <= r < x.shape[2] and 0 <= s < x.shape[3]:  # padding adds nothing
                agree = (x[0, c, r, s] >= layer.shift[c]) == (layer.weight[o, c, i, j] >= 0)
                total += 1 if agree else -1
        y[o, row, column] = layer.weight[o].abs().mean() * total + layer.bias[o]
    return y


@torch.no_grad()
@pytest.mark.parametrize("stride", [1, 2])
def test_forward_is_the_definition(stride):
    layer = BinaryConv2d(3, 2, 3, stride=stride, padding=1)
    layer.shift.copy_(torch.tensor([-0.3, 0.0, 0.4]))
    x = torch.randn(1, 3, 5, 4)
    x[0, 1, 0, 0] = 0.0
    assert torch.allclose(layer(x)[0], reference(layer, x), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("options", CONVS, ids=str)
def test_options_of_the_convolution_are_honoured(options):
    layer = BinaryConv2d(4, 6, **options)
    x = torch.randn(2, 4, 7, 7).sign()
    conv = nn.Conv2d(4, 6, **options)
    conv.weight.copy_(layer.weight.sign() * layer.alpha().view(-1, 1, 1, 1))
    if layer.bias is not None:
        conv.bias.copy_(layer.bias)
    assert torch.allclose(layer(x), conv(x), atol=1e-6)


@torch.no_grad()
def test_linear_is_the_definition():
    layer = BinaryLinear(5, 3)
    layer.shift.uniform_(-0.5, 0.5)
    x = torch.randn(2, 7, 5)
    signs = torch.where(x >= layer.shift, 1.0, -1.0)
    expected = signs @ layer.weight.sign().T * layer.weight.abs().mean(1) + layer.bias
    assert torch.allclose(layer(x), expected, atol=1e-6)


@torch.no_grad()
def test_sums_are_integers():
    layer = BinaryConv2d(64, 4, 3, bias=False)
    sums = layer(torch.randn(1, 64, 8, 8)) / layer.alpha().view(-1, 1, 1)
    assert torch.allclose(sums, sums.round(), atol=1e-3)
    assert (sums.round() % 2 == 0).all()  # an even number of ±1


def test_gradients_reach_weight_shift_and_input():
    """Through the sign and through α, against autograd on the same formula with an explicit estimator."""
    layer = BinaryConv2d(2, 3, 3, bias=False, recipe=Recipe("ste"))
    x = torch.randn(1, 2, 5, 5, requires_grad=True)
    grad = torch.randn(1, 3, 3, 3)
    layer(x).backward(grad)

    def straight(value):  # sign forward, clamp backward
        clipped = value.clamp(-1, 1)
        return clipped + (torch.where(value >= 0, 1.0, -1.0) - clipped).detach()

    x2, w2 = x.detach().clone().requires_grad_(), layer.weight.detach().clone().requires_grad_()
    b2 = torch.zeros(2, requires_grad=True)
    alpha = w2.abs().mean((1, 2, 3)).view(-1, 1, 1)
    (F.conv2d(straight(x2 - b2.view(-1, 1, 1)), straight(w2)) * alpha).backward(grad)
    assert torch.allclose(layer.weight.grad, w2.grad, atol=1e-5)
    assert torch.allclose(x.grad, x2.grad, atol=1e-5)
    assert torch.allclose(layer.shift.grad, b2.grad, atol=1e-5)


@pytest.mark.parametrize("module", [nn.Conv2d(2, 3, 1), nn.Linear(2, 3)])
def test_a_learned_scale_starts_at_the_mean(module):
    learned, mean = (binary_form(copy.deepcopy(module), Recipe(scale=scale)) for scale in ("learned", "mean"))
    assert torch.equal(learned.alpha(), mean.alpha())
    learned.weight.data.mul_(2), mean.weight.data.mul_(2)
    assert torch.equal(2 * learned.alpha(), mean.alpha())
    assert set(dict(learned.named_parameters())) - set(dict(mean.named_parameters())) == {"scale"}


@pytest.mark.parametrize("module", [nn.Conv2d(4, 2, 3, stride=2, groups=2, bias=False), nn.Linear(4, 2)])
def test_a_converted_layer_shares_its_parameters(module):
    binary = binary_form(module.eval(), Recipe("ste", "learned"))
    assert binary.weight is module.weight and binary.bias is module.bias
    assert not binary.training and binary.recipe.estimator == "ste" and binary.shift.tolist() == [0, 0, 0, 0]
    assert not any(parameter.is_meta for parameter in binary.parameters())
    assert set(module.state_dict()) < set(binary.state_dict())


@pytest.mark.parametrize("scale", SCALES)
def test_copies_and_saved_weights_compute_the_same(tmp_path, scale):
    layer, x = BinaryConv2d(4, 4, 3, recipe=Recipe(scale=scale)), torch.randn(1, 4, 6, 6)
    for parameter in layer.parameters():
        parameter.data.uniform_(-1, 1)
    torch.save(layer.state_dict(), tmp_path / "weights.pth")
    other = BinaryConv2d(4, 4, 3, recipe=Recipe(scale=scale))
    other.load_state_dict(torch.load(tmp_path / "weights.pth", weights_only=True))
    assert torch.equal(other(x), layer(x)) and torch.equal(copy.deepcopy(layer)(x), layer(x))


def test_autocast_rounds_only_sums_beyond_256():
    few, many = BinaryConv2d(16, 4, 3, bias=False), BinaryConv2d(128, 4, 3, bias=False)
    with torch.no_grad():
        few.weight.fill_(0.5), many.weight.fill_(0.5)
        ones = torch.ones(1, 128, 3, 3)
        ones[0, 0, 0] = -1  # three signs differ
        with torch.autocast("cpu", torch.bfloat16):
            exact, rounded = few(ones[:, :16]), many(ones)
    assert exact.dtype == rounded.dtype == torch.bfloat16
    assert exact.flatten().tolist() == [0.5 * (144 - 6)] * 4
    assert rounded.flatten().tolist() == pytest.approx([0.5 * (1152 - 6)] * 4, rel=2 ** -8)
    assert many(ones).flatten().tolist() == [0.5 * (1152 - 6)] * 4


def test_bad_options_are_refused():
    with pytest.raises(B2nnError, match="padding_mode 'reflect'"):
        BinaryConv2d(2, 2, 3, padding=1, padding_mode="reflect")
    with pytest.raises(UnsupportedModule, match="ConvTranspose2d has no binary form"):
        binary_form(nn.ConvTranspose2d(2, 2, 2))
