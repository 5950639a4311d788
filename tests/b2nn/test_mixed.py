"""A layer that is binary in part is, channel by channel, the full-precision or the binary one."""

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from b2nn.convert import binarize, clip_latent_, latent_weights, set_progress
from b2nn.cost import profile
from b2nn.errors import PlanError
from b2nn.layers import BinaryConv2d, BinaryLinear, binary_form
from b2nn.mixed import MixedUnit, forms
from b2nn.plan import all_binary, all_full, load_plan, make_plan
from b2nn.recipe import SCALES, Recipe

LAYERS = {
    "conv": (nn.Conv2d(3, 6, 3, stride=2, padding=1), (2, 3, 7, 7)),
    "no bias": (nn.Conv2d(3, 6, (1, 3), bias=False), (2, 3, 7, 7)),
    "groups": (nn.Conv2d(12, 6, 3, groups=6, dilation=2), (2, 12, 7, 7)),
    "linear": (nn.Linear(5, 6), (4, 5)),
    "linear on any dimensions": (nn.Linear(5, 6, bias=False), (2, 3, 4, 5)),
}
some = st.lists(st.booleans(), min_size=6, max_size=6).filter(lambda bits: any(bits) and not all(bits))


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("scale", SCALES)
@settings(max_examples=6, deadline=None)
@given(bits=some)
def test_each_channel_is_that_of_one_layer_alone(kind, scale, bits):
    layer, size = LAYERS[kind]
    x, bits = torch.randn(size), torch.tensor(bits)
    binary = binary_form(layer, Recipe(scale=scale))
    nn.init.normal_(binary.shift)
    if binary.scale is not None:
        nn.init.normal_(binary.scale)
    whole = {False: layer(x), True: binary(x)}
    mixed = MixedUnit(layer, binary, bits)
    assert mixed(x).shape == whole[True].shape
    axis = -1 if isinstance(layer, nn.Linear) else -3
    for channel, bit in enumerate(bits.tolist()):
        assert torch.allclose(mixed(x).select(axis, channel), whole[bit].select(axis, channel), atol=1e-5)


@pytest.mark.parametrize("bits, skipped", [([0, 0, 1, 1, 1, 1], True), ([1, 1, 1, 0, 0, 0], True),
                                          ([0, 1, 0, 1, 1, 1], False)])
def test_two_runs_of_channels_need_no_order(bits, skipped):
    layer = LAYERS["conv"][0]
    assert (MixedUnit(layer, binary_form(layer), torch.tensor(bits).bool()).order is None) == skipped


def test_a_layer_of_one_kind_is_the_plain_one():
    layer = LAYERS["conv"][0]
    pair = [(layer, binary_form(layer))]
    assert forms(pair, torch.zeros(6, dtype=torch.bool)) == [layer]
    assert forms(pair, torch.ones(6, dtype=torch.bool)) == [pair[0][1]]


@pytest.fixture
def table(residual, images):
    return profile(residual, images)


@pytest.fixture
def plan(table):
    """Every layer in four parts, two of them binary."""
    split = table.split(4)
    return make_plan(split, [unit.name for i, unit in enumerate(split.eligible) if i % 4 in (0, 3)], None, "x", 0)


@pytest.mark.parametrize("extreme", [all_full, all_binary])
def test_a_split_network_of_one_kind_is_the_unsplit_one(residual, images, table, extreme):
    split = copy.deepcopy(residual)
    binarize(residual, extreme(table), table)
    binarize(split, extreme(table.split(3)), table)
    assert str(split) == str(residual)
    assert torch.equal(split(images), residual(images))


def test_gradients_reach_the_weights_of_both_kinds_which_training_tells_apart(residual, images, table, plan):
    binarize(residual, plan, table, Recipe(real_weights=0.5))
    mixed = residual.second
    assert isinstance(mixed, MixedUnit) and type(mixed.full) is nn.Conv2d and isinstance(mixed.binary, BinaryConv2d)
    assert isinstance(residual.hidden.binary, BinaryLinear) and residual.hidden.full.out_features == 6
    residual.train()(images).square().sum().backward()
    for parameter in residual.parameters():
        assert parameter.grad is not None and parameter.grad.any()
    latent = {id(weight) for weight in latent_weights(residual)}
    assert latent == {id(getattr(residual, name).binary.weight) for name in ("first", "second", "shared", "hidden")}
    with torch.no_grad():
        mixed.full.weight.fill_(3)
        mixed.binary.weight.fill_(3)
    clip_latent_(residual)
    assert (mixed.full.weight == 3).all() and (mixed.binary.weight == 1).all()
    set_progress(residual, 0.25)
    assert mixed.binary.progress == 0.25


def test_parameters_add_up(residual, table, plan):
    before = sum(parameter.numel() for parameter in residual.parameters())
    binarize(residual, plan, table)
    shifts = sum(p.numel() for name, p in residual.named_parameters() if name.endswith("shift"))
    assert sum(parameter.numel() for parameter in residual.parameters()) == before + shifts
    one_bit = sum(weight.numel() for weight in latent_weights(residual))
    assert one_bit == table.divided(plan.names).params_1bit(plan.full)


def test_modules_that_share_a_weight_go_on_sharing_its_rows():
    conv, twin = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1, stride=2)
    twin.weight, twin.bias = conv.weight, conv.bias
    model = nn.Sequential(nn.Conv2d(4, 4, 1), conv, nn.ReLU(), conv, twin, nn.Conv2d(4, 4, 1))
    table = profile(model, torch.randn(1, 4, 6, 6)).split(2)
    binarize(model, make_plan(table, ["1[2:4]"], None, "x", 0), table)
    assert isinstance(model[1], MixedUnit) and model[1] is model[3] and model[4] is not model[1]
    for kind in ("full", "binary"):
        one, other = getattr(model[1], kind), getattr(model[4], kind)
        assert one.weight is other.weight and one.bias is other.bias and other.stride == (2, 2)
    assert model[1].binary.shift is not model[4].binary.shift


def test_a_saved_network_is_rebuilt_from_its_plan(residual, images, table, plan, tmp_path):
    fresh = copy.deepcopy(residual)
    for parameter in fresh.parameters():
        nn.init.normal_(parameter)
    binarize(residual, plan, table)
    plan.save(tmp_path / "plan.json")
    binarize(fresh, load_plan(tmp_path / "plan.json"), table).load_state_dict(residual.state_dict())
    assert torch.equal(fresh(images), residual(images))
    assert torch.equal(copy.deepcopy(residual)(images), residual(images))


def test_a_mode_and_a_frozen_weight_stay(residual, table, plan):
    residual.first.weight.requires_grad_(False)
    binarize(residual.eval(), plan, table)
    assert not residual.first.training and not residual.first.binary.training
    assert not residual.first.full.weight.requires_grad and not residual.first.binary.weight.requires_grad


def test_a_narrow_dtype_stays_narrow(residual, images, table, plan):
    binarize(residual, plan, table)
    with torch.autocast("cpu", torch.bfloat16):
        assert residual.first(torch.randn(2, 8, 5, 5)).dtype == torch.bfloat16


@pytest.mark.parametrize("binary, complaint", [(("first[0:9]",), r"channels of layer 'first' are \[0:8\]"),
                                               (("first[0:4]", "first[2:8]"), "overlaps"),
                                               (("third[0:4]",), "lacks: third")])
def test_without_a_table_parts_are_checked_against_the_model(residual, table, binary, complaint):
    plan = make_plan(table, [], None, "x", 0)
    before = str(residual)
    with pytest.raises(PlanError, match=complaint):
        binarize(residual, replace(plan, binary=binary))
    assert str(residual) == before
