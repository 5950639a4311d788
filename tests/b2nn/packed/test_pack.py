"""A packed network computes what its model does, on the kernels and in plain torch."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_networks import Plain, Shared, settled
from torch import nn

from b2nn import BinaryConv2d, BinaryLinear, Recipe, UnsupportedModule, binarize, profile
from b2nn.activations import ACTIVATIONS
from b2nn.errors import B2nnError
from b2nn.gated import GatedUnit
from b2nn.packed import PackedNetwork, pack, reference
from b2nn.packed.program import Compare, Conv, Correlate, Elementwise, Gate, Mean, TorchStep, joined
from b2nn.packed.recognise import recognised
from b2nn.plan import all_full
from b2nn.recipe import SCALES

ADABIN = Recipe(scale="adabin")


def assert_equal(packed, model, *inputs, method="forward"):
    """Within 1e-4 of the largest value, natively and by the reference."""
    with torch.no_grad():
        truth = getattr(model, method)(*inputs)
    for found in (packed.run(method, *inputs), reference.run(packed.programs[method], inputs)):
        for own, wanted in zip(found if isinstance(found, tuple) else (found,),
                               truth if isinstance(truth, tuple) else (truth,), strict=True):
            assert own.shape == wanted.shape
            torch.testing.assert_close(own, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.parametrize("act", ACTIVATIONS)
@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_and_activation(scale, act):
    model = settled(Plain(Recipe(scale=scale), act, padding=1))
    assert_equal(pack(model), model, torch.randn(2, 3, 19, 14, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("shape", [
    dict(channels=32, groups=4, padding=1), dict(channels=128, groups=2, padding=1), dict(padding=2, dilation=2),
    dict(padding=(0, 1), stride=(1, 2)), dict(channels=65, padding="same"), dict(channels=16, groups=16, padding=1),
], ids=str)
@pytest.mark.parametrize("recipe", [Recipe(), ADABIN], ids=["mean", "adabin"])
def test_every_shape(recipe, shape):
    model = Plain(recipe, **shape)
    if model.first.stride == (1, 2):
        model.second = nn.Identity()
    settled(model)
    assert_equal(pack(model), model, torch.randn(1, 3, 25, 21, generator=torch.Generator().manual_seed(2)))


@given(st.lists(st.tuples(st.sampled_from([1, 2, 4]), st.integers(1, 24), st.booleans(), st.sampled_from([1, 3])),
                min_size=1, max_size=4), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_chains_of_convs_in_any_groups(layers, seed):
    """Each in groups of so many outputs, in bits or in floats; what one writes the next reads in its own form."""
    torch.manual_seed(seed)
    channels, parts = 8, [nn.Conv2d(3, 8, 3, padding=1)]
    for groups, outputs, binary, size in layers:
        groups = groups if channels % groups == 0 else 1
        shape = dict(kernel_size=size, padding=size // 2, groups=groups)
        conv = BinaryConv2d if binary else nn.Conv2d
        parts += [conv(channels, groups * outputs, **shape), nn.BatchNorm2d(groups * outputs), nn.PReLU()]
        channels = groups * outputs
    model = settled(nn.Sequential(*parts, nn.Conv2d(channels, 5, 1)), seed)
    assert_equal(pack(model), model, torch.randn(1, 3, 9, 7))


def test_sizes_and_batches_share_a_packed_network():
    model = settled(Plain(ADABIN, padding=1))
    packed = pack(model)
    images = [torch.randn(*shape) for shape in ((1, 3, 16, 16), (3, 3, 9, 31), (1, 3, 16, 16))]
    results = [packed(image) for image in images]
    for image, result in zip(images, results, strict=True):  # earlier results were not overwritten
        torch.testing.assert_close(result, model(image), rtol=0, atol=1e-4)


def test_binary_sums_are_exact():
    model = BinaryConv2d(40, 33, 3, padding=1, bias=False, recipe=Recipe(scale="none"))
    x = torch.randn(2, 40, 11, 13)
    assert torch.equal(pack(nn.Sequential(model))(x), model(x).detach())


class Attentive(nn.Module):
    """Bytes or floats, a kernel to compare with, and gates from means; shortcuts in a row, one of them read again."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.act = nn.Conv2d(3, 24, 3, 2, 1), nn.PReLU(24)
        self.convs = nn.ModuleList(BinaryConv2d(24, 24, 3, padding=1, recipe=ADABIN) for _ in range(4))
        self.squeeze, self.excite = nn.Conv2d(64, 64, 1), nn.Conv2d(64, 64, 1)
        self.last = nn.Conv2d(64, 4, 3, padding=1)
        self.register_buffer("mean", torch.tensor([100.0, 120.0, 130.0]).view(1, 3, 1, 1))

    def features(self, x):
        x = self.act(self.stem((x - self.mean) / 60))
        maps = [x]
        for conv in self.convs:
            maps.append(conv(maps[-1]) + maps[-1])
        return maps[-1] + maps[2]

    def respond(self, kernel, features):
        y = (kernel.flatten(2).transpose(1, 2) @ features.flatten(2)).unflatten(2, features.shape[2:])
        gates = self.excite(F.relu(self.squeeze(y.mean((2, 3), keepdim=True)))).sigmoid()
        return self.last(y * gates)


def test_correlations_gates_and_shortcuts_in_a_row():
    model = settled(Attentive())
    packed = pack(model, methods=("features", "respond"))
    x, kernel = torch.randint(0, 256, (1, 3, 29, 37)).float(), torch.randn(1, 24, 8, 8)
    assert_equal(packed, model, x, method="features")
    for kernels, images in ((kernel, x), (torch.randn(2, 24, 8, 8), x.repeat(2, 1, 1, 1))):
        assert_equal(packed, model, kernels, packed.features(images), method="respond")
    found = [type(step) for step in recognised(packed.programs["respond"]).steps]
    assert found == [Compare, Mean, Conv, Conv, Gate, Conv]


class Siamese(nn.Module):
    """Every channel with its own kernel, two towers that read what follows, and predictions."""

    def __init__(self):
        super().__init__()
        self.norm, self.act = nn.BatchNorm2d(32), nn.PReLU(32)
        self.binary = BinaryConv2d(32, 32, 3, padding=1)
        self.full, self.last = nn.Conv2d(32, 32, 3, padding=1), nn.Conv2d(32, 3, 3, padding=1)

    def respond(self, kernel, x):
        images, channels, size, _ = kernel.shape
        maps, weight = x.float().flatten(0, 1), kernel.float().flatten(0, 1)[:, None]
        y = F.conv2d(maps[None], weight, padding=size // 2, groups=images * channels)
        y = self.act(self.norm(y[0].unflatten(0, (images, channels))))
        return self.last(self.binary(y)), self.last(self.full(y))


def test_correlations_of_channels_take_in_what_follows():
    model = settled(Siamese())
    packed = pack(model, methods=("respond",))
    x, templates = torch.randn(2, 32, 9, 13), torch.randn(2, 32, 8, 8)
    for images in (1, 2):
        for size in (1, 5, 7):
            cut = templates[:images, :, :size, :size]
            assert_equal(packed, model, cut, x[:images], method="respond")
    assert_equal(packed, model, x[:, :, :9, :9], x[:, :, :9, :9], method="respond")
    with pytest.raises(B2nnError, match=r"cannot take .*kernel float32 \(1, 16, 8, 8\)"):
        packed.respond(templates[:1, :16], x[:1])
    program = recognised(packed.programs["respond"])
    assert [type(step) for step in program.steps] == [Correlate, *[Conv] * 4]
    for fp_precision in ("bf16", "int8"):
        narrow = pack(model, methods=("respond",), fp_precision=fp_precision,
                      calibration=[(templates[:1, :, :7, :7], x[:1]), (templates[1:, :, :7, :7], x[1:])],
                      forward=lambda packed, pair: packed.respond(*pair))
        for own, wanted in zip(narrow.respond(templates[:1, :, :7, :7], x[:1]),
                               model.respond(templates[:1, :, :7, :7], x[:1]), strict=True):
            assert float((own - wanted).square().mean() / wanted.square().mean()) < 0.02


def test_what_is_no_such_correlation_stays_in_torch():
    class Other(Siamese):
        def respond(self, kernel, x):
            images, channels, size, _ = kernel.shape
            maps, weight = x.float().flatten(0, 1), kernel.float().flatten(0, 1)[:, None]
            y = F.conv2d(maps[None], weight, padding=size // 3, groups=images * channels)
            return self.norm(y[0].unflatten(0, (images, channels)))

    model = settled(Other())
    packed = pack(model, methods=("respond",))
    assert_equal(packed, model, torch.randn(1, 32, 6, 6), torch.randn(1, 32, 9, 13), method="respond")
    assert not any(isinstance(step, Correlate) for step in recognised(packed.programs["respond"]).steps)


def test_shortcuts_that_are_read_once_more():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1) for _ in range(4))

        def forward(self, x):
            first = self.convs[0](x)
            second = self.convs[1](first) + first  # the conv reads what it adds
            third = self.convs[2](second) + second
            return self.convs[3](F.relu(third)) + third, third

    model = settled(Residual())
    assert_equal(pack(model), model, torch.randn(1, 16, 9, 12))


def test_what_else_reads_parts_of_a_correlation_still_can():
    class Other(nn.Module):
        def forward(self, kernel, x):
            flat = x.flatten(2)
            product = kernel.flatten(2).transpose(1, 2) @ flat
            gates = x.mean((2, 3), keepdim=True).sigmoid()
            return product.unflatten(2, x.shape[2:]) * 2, flat, product, x * gates, gates

    x, kernel = torch.randn(1, 16, 6, 7), torch.randn(1, 16, 3, 3)
    assert_equal(pack(Other()), Other(), kernel, x)


def test_bytes_and_any_order_in_memory_give_the_same():
    model = settled(Attentive())
    packed = pack(model, methods=("features",))
    image = torch.randint(0, 256, (1, 19, 23, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    wanted = packed.features(image.float().contiguous())
    larger = torch.zeros(1, 3, 19, 46, dtype=torch.uint8)
    larger[..., ::2] = image
    for form in (image, image.contiguous(), image.float(), larger[..., ::2], image.clone()):
        assert torch.equal(packed.features(form), wanted)
    torch.testing.assert_close(model.features(image), wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))


def test_two_programs_as_one():
    model = settled(Attentive())
    packed = pack(model, methods=("features", "respond"))
    both = PackedNetwork({"both": joined(packed.programs["features"], packed.programs["respond"], "features")})
    kernel, x = torch.randn(1, 24, 8, 8), torch.randint(0, 256, (1, 3, 21, 25), dtype=torch.uint8)
    assert torch.equal(both.run("both", kernel, x), packed.respond(kernel, packed.features(x)))


def test_shared_layers_methods_and_torch_functions():
    model = settled(Shared(Recipe(scale="learned")))
    packed = pack(model, methods=("features", "answer", "forward"))
    x = torch.randn(2, 3, 21, 17)
    assert_equal(packed, model, x, method="features")
    assert_equal(packed, model, packed.features(x), method="answer")
    assert_equal(packed, model, x)
    assert packed(x)._fields == ("score", "box")


def test_uint8_images_are_taken():
    model = settled(Shared(Recipe()))
    image = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8)
    torch.testing.assert_close(pack(model)(image).box, model(image).box, rtol=0, atol=1e-4)


def test_everything_behind_a_conv_is_folded_into_it():
    steps = pack(settled(Plain(ADABIN, padding=1))).programs["forward"].steps
    assert [type(step) for step in steps] == [Conv, Conv, Conv]
    assert steps[2].shortcut == steps[1].result


def test_layers_that_are_binary_in_part():
    """In runs of channels, in any order, in groups, and linear."""
    model = nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.BatchNorm2d(48), nn.PReLU(48),
                          nn.Conv2d(48, 32, 3, padding=1, groups=2), nn.ReLU(), nn.Flatten(2), nn.Linear(9 * 9, 12))
    parts = {"0[0:16]": False, "0[16:32]": True, "0[32:48]": False, "3[0:16]": True, "3[16:32]": False,
             "6[0:4]": True, "6[4:12]": False}
    table = profile(model, torch.zeros(1, 3, 9, 9))
    sides = {side: [name for name, binary in parts.items() if binary == side] for side in (True, False)}
    binarize(model, replace(all_full(table), full=tuple(sides[False]), binary=tuple(sides[True])), recipe=ADABIN)
    settled(model)
    packed = pack(model)
    assert_equal(packed, model, torch.randn(2, 3, 9, 9))
    assert sum(isinstance(step, Conv) and step.channels == 48 for step in packed.programs["forward"].steps) == 3


def test_what_cannot_be_followed_runs_in_torch():
    class Branching(nn.Module):
        def forward(self, x):
            return x.relu() if x.sum() > 0 else x * 2

    model = settled(nn.Sequential(nn.Conv2d(3, 8, 3), Branching(), nn.Conv2d(8, 8, 1), nn.Sigmoid()))
    packed = pack(model)
    assert_equal(packed, model, torch.randn(1, 3, 8, 8))
    assert any(isinstance(step, TorchStep) and step.layer == "1" for step in packed.programs["forward"].steps)


def test_what_broadcasts_stays_right():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.small = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 1)

        def forward(self, x):
            return self.conv(x) + self.small(x.mean((2, 3), keepdim=True))

    model = Scaled().eval()
    assert_equal(pack(model), model, torch.randn(2, 3, 8, 8))


def test_copies_do_not_share_memory():
    packed = pack(settled(Plain(Recipe(), padding=1)))
    x = torch.randn(1, 3, 9, 9)
    wanted = packed(x)
    assert torch.equal(copy.deepcopy(packed)(x), wanted)
    assert torch.equal(pickle.loads(pickle.dumps(packed))(x), wanted)


def test_the_model_is_left_as_it_was():
    model = settled(Plain(ADABIN, padding=1))
    before = copy.deepcopy(model.state_dict())
    pack(model)(torch.randn(1, 3, 9, 9))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize(("change", "options", "message"), [
    (None, dict(fp_precision="fp8"), "fp_precision is 'fp8'; choose one of float32, bf16, int8"),
    (None, dict(fp_precision="int8"), "needs calibration"),
    (None, dict(methods=("features",)), "no method 'features'"),
    (("norm1", nn.BatchNorm2d(17, track_running_stats=False)), {}, "'norm1' normalises by the statistics of each"),
    (("second", BinaryConv2d(17, 17, 2, padding="same")), {}, "'second': padding 'same' of an even kernel"),
    (("second", BinaryConv2d(17, 17, 3, recipe=Recipe(real_weights=0.5))), {}, "'second' is in the first step"),
])
def test_what_is_refused(change, options, message):
    model = Plain(Recipe(), padding=1).eval()
    if change:
        setattr(model, *change)
        if isinstance(change[1], BinaryConv2d):
            change[1].progress = 0.1
    with pytest.raises(B2nnError, match=message):
        pack(model, **options)


def test_gated_units_are_refused():
    model = nn.Sequential(nn.Conv2d(3, 3, 1))
    model[0] = GatedUnit.__new__(GatedUnit)
    nn.Module.__init__(model[0])
    with pytest.raises(UnsupportedModule, match="'0' has gates"):
        pack(model)


def test_batchnorm_of_a_linear_layer_is_for_rows():
    model = settled(nn.Sequential(BinaryLinear(12, 6), nn.BatchNorm1d(6), nn.ReLU()))
    packed = pack(model)
    assert_equal(packed, model, torch.randn(5, 12))
    with pytest.raises(B2nnError, match=r"for inputs \(N, in\)"):
        packed(torch.randn(2, 6, 12))


def test_affine_maps_of_images_are_one_step():
    steps = pack(settled(Shared(Recipe()))).programs["forward"].steps
    assert isinstance(steps[0], Elementwise) and not isinstance(steps[1], Elementwise)
