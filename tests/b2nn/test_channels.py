"""Which channels must be removed together, on small networks of each kind."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from b2nn.channels import channel_groups, named_tensors
from b2nn.errors import B2nnError


class Net(nn.Module):
    """Layers by name and a forward given as a function of them."""

    def __init__(self, forward, **layers: nn.Module) -> None:
        super().__init__()
        self.run = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, *inputs: Tensor):
        return self.run(self, *inputs)


def conv(inputs: int, outputs: int, size: int = 3, **options) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, **options)


def image(channels: int = 3) -> Tensor:
    return torch.rand(1, channels, 8, 8)


def members(model: nn.Module, *inputs: Tensor, **options) -> dict[str, set[tuple[str, int]]]:
    """Tensors and dimensions of each group, by the group's name."""
    return {group.name: {(slot.tensor, slot.dim) for slot in group.slots}
            for group in channel_groups(model, *inputs, **options)}


def test_a_conv_takes_its_bias_its_norm_its_activation_and_the_next_convs_input_along():
    model = Net(lambda m, x: m.b(m.act(m.bn(m.a(x)))), a=conv(3, 8), bn=nn.BatchNorm2d(8), act=nn.PReLU(8),
                b=conv(8, 5))
    assert members(model, image()) == {"a": {
        ("a.weight", 0), ("a.bias", 0), ("bn.weight", 0), ("bn.bias", 0), ("bn.running_mean", 0),
        ("bn.running_var", 0), ("act.weight", 0), ("b.weight", 1)}}


def test_inputs_and_outputs_of_the_network_keep_their_channels():
    assert members(Net(lambda m, x: m.a(x), a=conv(3, 8)), image()) == {}
    two = Net(lambda m, x: {"map": m.a(x), "rest": (m.b(m.a(x)), None)}, a=conv(3, 8), b=conv(8, 8))
    assert members(two, image()) == {}


def test_roles_tell_what_makes_and_what_scales_the_channels():
    model = nn.Sequential(conv(3, 8), nn.BatchNorm2d(8), conv(8, 2))
    (group,) = channel_groups(model, image())
    assert group.size == 8
    assert {slot.tensor: slot.role for slot in group.slots if slot.role != "other"} == {
        "0.weight": "weight", "1.weight": "scale"}


def test_an_addition_ties_both_sides():
    model = Net(lambda m, x: m.out(m.a(x) + m.project(x)), a=conv(3, 8), project=conv(3, 8, 1),
                out=conv(8, 2))
    assert members(model, image()) == {"a": {("a.weight", 0), ("a.bias", 0), ("project.weight", 0),
                                             ("project.bias", 0), ("out.weight", 1)}}


def test_residual_blocks_share_one_stream_and_own_their_inside():
    def forward(m, x):
        x = F.relu(m.stem(x))
        x = F.relu(x + m.b1(F.relu(m.a1(x))))
        return m.out(x.add_(m.b2(F.relu(m.a2(x)))))

    model = Net(forward, stem=conv(3, 8), a1=conv(8, 6), b1=conv(6, 8), a2=conv(8, 4), b2=conv(4, 8),
                out=conv(8, 2))
    groups = members(model, image())
    assert set(groups) == {"stem", "a1", "a2"}
    assert {("stem.weight", 0), ("b1.weight", 0), ("b2.weight", 0), ("out.weight", 1)} <= groups["stem"]
    assert groups["a1"] == {("a1.weight", 0), ("a1.bias", 0), ("b1.weight", 1)}


def test_a_depthwise_conv_ties_its_input_to_its_output():
    model = nn.Sequential(conv(3, 8), conv(8, 8, groups=8), conv(8, 2))
    assert members(model, image()) == {"0": {("0.weight", 0), ("0.bias", 0), ("1.weight", 0), ("1.bias", 0),
                                             ("2.weight", 1)}}


def test_a_depthwise_conv_may_have_several_outputs_a_channel():
    (group,) = channel_groups(nn.Sequential(conv(3, 8), conv(8, 16, groups=8), conv(16, 2)), image())
    assert group.size == 8
    assert {(slot.tensor, slot.dim, slot.extent, slot.repeats) for slot in group.slots} == {
        ("0.weight", 0, 8, 1), ("0.bias", 0, 8, 1), ("1.weight", 0, 16, 1), ("1.bias", 0, 16, 1),
        ("2.weight", 1, 16, 1)}


def test_all_groups_of_a_grouped_conv_lose_the_same_channels():
    model = nn.Sequential(conv(3, 8), conv(8, 12, groups=2), conv(12, 2))
    read, made = channel_groups(model, image())
    assert (read.size, made.size) == (4, 6)
    assert {(slot.tensor, slot.dim, slot.extent, slot.repeats) for slot in read.slots} == {
        ("0.weight", 0, 8, 2), ("0.bias", 0, 8, 2), ("1.weight", 1, 4, 1)}
    assert {(slot.tensor, slot.dim, slot.extent, slot.repeats) for slot in made.slots} == {
        ("1.weight", 0, 12, 2), ("1.bias", 0, 12, 2), ("2.weight", 1, 12, 2)}


def test_grouped_convs_in_a_row_split_channels_by_what_suits_both():
    model = nn.Sequential(conv(3, 12), conv(12, 12, groups=2), conv(12, 12, groups=3), conv(12, 2))
    assert {group.name: group.size for group in channel_groups(model, image())} == {"0": 6, "1": 2, "2": 4}


def test_a_flattened_map_is_followed_into_the_linear_layer():
    (group,) = channel_groups(nn.Sequential(conv(3, 6), nn.Flatten(), nn.Linear(6 * 64, 2)), image())
    assert group.size == 6
    assert ("2.weight", 1, 6 * 64) in {(slot.tensor, slot.dim, slot.extent) for slot in group.slots}


def test_linear_layers_on_vectors_and_on_tokens():
    expected = {"0": {("0.weight", 0), ("0.bias", 0), ("2.weight", 1)}}
    model = nn.Sequential(nn.Linear(3, 8), nn.GELU(), nn.Linear(8, 2, bias=False))
    assert members(model, torch.rand(1, 3)) == expected
    assert members(model, torch.rand(1, 5, 3)) == expected


@pytest.mark.parametrize("layer", [
    nn.ReLU(inplace=True), nn.Hardswish(), nn.SiLU(), nn.MaxPool2d(2), nn.AvgPool2d(2),
    nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d(3), nn.Upsample(scale_factor=2),
    nn.Upsample(scale_factor=2, mode="bilinear"),
    nn.Dropout2d(), nn.ZeroPad2d(1), nn.ReflectionPad2d(1), nn.Identity(),
], ids=lambda layer: str(layer).split("(")[0])
def test_layers_that_act_on_each_channel_alone_pass_channels_on(layer):
    assert set(members(nn.Sequential(conv(3, 8), layer, conv(8, 2, 1)), image())) == {"0"}


@pytest.mark.parametrize("layer", [
    nn.GroupNorm(2, 8), nn.Softmax(1), nn.ChannelShuffle(2), nn.LayerNorm([8, 8, 8]),
], ids=lambda layer: type(layer).__name__)
def test_layers_that_mix_channels_fix_them(layer):
    assert members(nn.Sequential(conv(3, 8), layer, conv(8, 2)), image()) == {}


@pytest.mark.parametrize("mix", [
    lambda x: torch.cat((x, x), 1),
    lambda x: torch.einsum("bchw,cd->bdhw", x, torch.rand(8, 16)),
    lambda x: x.view(1, 2, 4, 8, 8).sum(2).repeat(1, 8, 1, 1),
    lambda x: x.mean(1, keepdim=True).repeat(1, 16, 1, 1),
], ids=["cat", "einsum", "view", "mean"])
def test_functions_that_mix_channels_fix_them(mix):
    model = Net(lambda m, x: m.b(mix(m.a(x))), a=conv(3, 8), b=conv(16, 2))
    assert members(model, image()) == {}


def test_a_constant_of_the_same_extent_fixes_channels_and_a_number_does_not():
    constant = torch.rand(8, 1, 1)
    assert members(Net(lambda m, x: m.b(m.a(x) * constant), a=conv(3, 8), b=conv(8, 2)), image()) == {}
    assert set(members(Net(lambda m, x: m.b(2 * m.a(x) + 1), a=conv(3, 8), b=conv(8, 2)), image())) == {"a"}


def test_channels_that_become_cells_are_fixed():
    model = Net(lambda m, x: m.b(m.a(x).transpose(1, 2)), a=conv(3, 8), b=conv(8, 2))
    assert members(model, image()) == {}


def test_what_is_tied_to_fixed_channels_later_is_fixed_too():
    def forward(m, x):
        y = m.b(x)
        return m.pair(torch.cat((y, y), 1)), m.c(m.a(x) + y)

    model = Net(forward, a=conv(3, 8), b=conv(3, 8), pair=conv(16, 2), c=conv(8, 2))
    assert members(model, image()) == {}


def test_slicing_channels_fixes_them_and_slicing_cells_does_not():
    sliced = Net(lambda m, x: m.b(m.a(x)[:, :4]), a=conv(3, 8), b=conv(4, 2))
    assert members(sliced, image()) == {}
    cropped = Net(lambda m, x: m.b(m.a(x)[:, :, 2:6, 2:6]), a=conv(3, 8), b=conv(8, 2))
    assert set(members(cropped, image())) == {"a"}


def test_parameters_of_a_module_unknown_to_torch_are_followed():
    class Shift(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.amount = nn.Parameter(torch.rand(1, 8, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            return x - self.amount

    groups = members(nn.Sequential(conv(3, 8), Shift(), conv(8, 2)), image())
    assert ("1.amount", 1) in groups["0"]


def correlate(kernel: Tensor, search: Tensor) -> Tensor:
    """Depthwise: (1, C, k, k), (1, C, H, W) -> (1, C, H', W')."""
    channels = kernel.shape[1]
    return F.conv2d(search, kernel.reshape(channels, 1, *kernel.shape[2:]), groups=channels)


def test_a_correlation_ties_the_two_branches():
    model = Net(lambda m, z, x: m.out(correlate(m.a(z), m.b(x))), a=conv(3, 8), b=conv(3, 8), out=conv(8, 2))
    assert members(model, image()[:, :, :5, :5], image()) == {"a": {
        ("a.weight", 0), ("a.bias", 0), ("b.weight", 0), ("b.bias", 0), ("out.weight", 1)}}


def test_features_that_meet_an_input_keep_its_channels():
    model = Net(lambda m, z, x: m.out(F.relu(m.tower(correlate(z, m.neck(m.a(x)))))), a=conv(3, 8),
                neck=conv(8, 6, 1), tower=conv(6, 4), out=conv(4, 2))
    assert set(members(model, torch.rand(1, 6, 3, 3), image())) == {"a", "tower"}


def test_keep_fixes_the_outputs_of_modules_by_pattern():
    model = Net(lambda m, x: m.c(m.neck(m.a(x))), a=conv(3, 8), neck=nn.Sequential(conv(8, 6), nn.ReLU()),
                c=conv(6, 2))
    assert set(members(model, image())) == {"a", "neck.0"}
    assert set(members(model, image(), keep=["neck"])) == {"a"}
    assert set(members(model, image(), keep=["a", "neck.*"])) == set()
    with pytest.raises(B2nnError, match="'nek'"):
        channel_groups(model, image(), keep=["nek"])


def test_a_weight_used_twice_is_one_axis():
    shared = conv(8, 8)
    groups = members(nn.Sequential(conv(3, 8), shared, nn.ReLU(), shared, conv(8, 2)), image())
    assert groups == {"0": {("0.weight", 0), ("0.bias", 0), ("1.weight", 0), ("1.weight", 1), ("1.bias", 0),
                            ("4.weight", 1)}}


def test_layers_that_do_not_run_are_left_alone():
    model = Net(lambda m, x: m.b(m.a(x)), a=conv(3, 8), b=conv(8, 2), unused=conv(8, 8))
    (slots,) = members(model, image()).values()
    assert not any(tensor.startswith("unused") for tensor, _ in slots)


def test_another_function_than_forward_can_be_watched():
    model = Net(lambda m, x: m.b(m.a(x)), a=conv(3, 8), b=conv(8, 2))
    assert members(model, image(), forward=lambda x: model.a(x)) == {}


def test_a_run_without_tensors_is_an_error():
    with pytest.raises(B2nnError, match="without a tensor"):
        channel_groups(Net(lambda m, x: m.a(x).sum().item(), a=conv(3, 8)), image())


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(conv(3, 8), nn.BatchNorm2d(8), nn.Dropout(), conv(8, 2)).train()
    before = {name: tensor.clone() for name, tensor in named_tensors(model).items()}
    channel_groups(model, image(), keep=["0"])
    assert all(module.training and not module._forward_hooks for module in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in named_tensors(model).items())
