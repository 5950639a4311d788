import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from b2nn.cost import LANES, CostTable, UnitCost, profile
from b2nn.errors import B2nnError, PlanError


def test_macs_and_parameters_by_hand(residual, images):
    table = profile(residual, images[:1])
    macs = {unit.name: unit.macs for unit in table.units}
    assert macs == {
        "stem": 8 * 3 * 9 * 8 * 8, "first": 8 * 8 * 9 * 8 * 8, "second": 8 * 16 * 9 * 8 * 8,
        "shared": 2 * 16 * 16 * 8 * 8,  # called twice
        "hidden": 16 * 12, "output": 12 * 4,
    }
    second = table.unit("second")
    assert second.weight_shape == (16, 8, 3, 3)
    assert (second.parameters, second.weights) == (8 * 16 * 9 + 16, 8 * 16 * 9)
    assert [unit.order for unit in table.units] == list(range(6))
    assert [unit.kind for unit in table.units] == ["conv"] * 4 + ["linear"] * 2


def test_everything_else_by_hand(residual, images):
    pixels = 8 * 8
    norms = 2 * pixels * (8 + 8 + 16) + 2 * 12
    relus = pixels * (8 + 16 + 16)
    shortcut, pooled = 8 * pixels, 16 * pixels
    assert profile(residual, images[:1]).other_flops == norms + relus + shortcut + pooled


@pytest.mark.parametrize("batch", [1, 3])
def test_full_precision_agrees_with_torch(residual, images, batch):
    with FlopCounterMode(display=False) as counter:
        residual(images[:batch])
    assert sum(unit.flops for unit in profile(residual, images[:batch]).units) == counter.get_total_flops()


@pytest.mark.parametrize("layer, size", [
    (nn.Conv2d(6, 4, (3, 1), stride=(2, 1), dilation=2, groups=2, padding=1), (2, 6, 9, 7)),
    (nn.ConvTranspose2d(6, 4, 3, stride=2), (1, 6, 5, 5)),
    (nn.Conv1d(6, 4, 3), (2, 6, 9)),
    (nn.Linear(6, 5), (2, 3, 6)),
])
def test_every_kind_of_layer_agrees_with_torch(layer, size):
    x = torch.randn(size)
    with FlopCounterMode(display=False) as counter:
        layer(x)
    assert profile(nn.Sequential(layer), x).units[0].flops == counter.get_total_flops()


def test_functional_correlation_counts_but_is_no_unit():
    class Correlation(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Conv2d(2, 4, 1)

        def forward(self, x, kernel):
            return F.conv2d(self.embed(x), kernel, groups=4)

    table = profile(Correlation(), torch.randn(1, 2, 8, 8), torch.randn(4, 1, 3, 3))
    assert [unit.name for unit in table.units] == ["embed"]
    assert table.other_flops == 2 * 4 * 9 * 36


@pytest.mark.parametrize("function, flops", [
    (lambda x: F.max_pool2d(x, 3, 2, 1), 2 * 16 * 9),
    (lambda x: F.avg_pool2d(x, 2), 2 * 16 * 4),
    (lambda x: F.adaptive_avg_pool2d(x, 2), 128),
    (lambda x: F.prelu(x, torch.ones(2)), 128),
    (lambda x: x.sigmoid().exp(), 256),
    (lambda x: x.transpose(2, 3).contiguous(), 0),
    (lambda x: torch.cat([x, x]), 0),
    (lambda x: x.softmax(1), 384),
])
def test_cost_of_other_operations(function, flops):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 1)

        def forward(self, x):
            return function(self.conv(x))

    assert profile(Model(), torch.randn(1, 2, 8, 8)).other_flops == flops


def test_a_binary_mac_counts_one_of_64_lanes(residual, images):
    table = profile(residual, images)
    assert LANES == 64
    everything = [unit.name for unit in table.eligible]
    assert table.ratio(everything) == 1
    saved = sum(2 * unit.macs * 63 / 64 for unit in table.eligible if unit.name != "first")
    assert table.counted(["first"]) == table.total - saved
    assert table.floor == table.ratio([]) < table.ratio(["first"]) < 1
    assert table.ratio(["first"]) - table.floor == pytest.approx(table.cost("first"), rel=1e-12)


def test_parameters_and_bytes_by_precision(residual, images):
    table = profile(residual, images)
    everything = [unit.name for unit in table.eligible]
    assert table.params_32bit(everything) == sum(p.numel() for p in residual.parameters())
    bits = 8 * 8 * 9 + 16 * 16 + 16 * 12  # all eligible but `second`
    assert table.params_1bit(["second"]) == bits
    assert table.bytes(["second"]) == bits // 8 + 4 * table.params_32bit(["second"])


LAYERS = st.lists(st.tuples(st.integers(1, 10 ** 9), st.booleans()), min_size=1, max_size=12)


@given(LAYERS, st.integers(0, 10 ** 8))
def test_capacity_is_exact_at_the_edge(layers, other_flops):
    """A budget equal to a plan's ratio admits the plan; the float just below it does not."""
    units = tuple(UnitCost(str(i), "conv", (), macs, 0, 0, (), True, "", None, i)
                  for i, (macs, _) in enumerate(layers))
    table = CostTable(units, other_flops, 0)
    full = [unit.name for unit, (_, keep) in zip(units, layers, strict=True) if keep]
    spent = sum(table.unit(name).saving for name in full)
    assert table.capacity(table.ratio(full)) >= spent
    assert table.capacity(math.nextafter(table.ratio(full), 0)) < spent


def test_first_and_last_layers_stay_in_full_precision(residual, images):
    table = profile(residual, images)
    reasons = {unit.name: unit.reason for unit in table.units if not unit.eligible}
    assert reasons == {"stem": "sees the network's input", "output": "makes the prediction"}


def test_a_config_names_what_else_stays(residual, images):
    table = profile(residual, images, exclude={"s*d": "a shortcut"})
    assert {unit.name: unit.reason for unit in table.units if not unit.eligible} \
        == {"stem": "sees the network's input", "second": "a shortcut", "shared": "a shortcut"}
    assert table.unit("output").eligible  # with own rules the last layer is no exception


def test_a_pattern_without_a_layer_is_an_error(residual, images):
    with pytest.raises(B2nnError, match=r"'heads\.\*' matches no conv or linear layer"):
        profile(residual, images, exclude={"heads.*": "no reason"})


def test_layers_without_a_binary_form_are_named_with_the_reason():
    model = nn.Sequential(
        nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 4, 3, groups=4), nn.ConvTranspose2d(4, 4, 2),
        torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 1)),
        nn.Conv2d(4, 4, 1, groups=2))
    table = profile(model, torch.randn(1, 4, 8, 8), exclude={})
    reasons = [unit.reason for unit in table.units]
    assert [unit.name for unit in table.eligible] == ["5"]
    for reason, expected in zip(reasons, ["input", "reflect", "depthwise", "ConvTranspose2d", "Conv2d", ""],
                                strict=True):
        assert expected in reason


def test_what_does_not_run_is_not_in_the_table(residual, images):
    residual.template_only = nn.Conv2d(3, 3, 3)
    table = profile(residual, images, forward=lambda x: residual.first(residual.stem(x)))
    assert [unit.name for unit in table.units] == ["stem", "first"]
    with pytest.raises(PlanError, match="template_only"):
        table.unit("template_only")


def test_shared_modules_and_shared_weights_are_one_unit():
    conv, twin = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1, bias=False)
    twin.weight = conv.weight
    model = nn.Sequential(nn.Conv2d(4, 4, 1), conv, conv, twin)
    table = profile(model, torch.randn(1, 4, 6, 6), exclude={})
    unit = table.unit("1")
    assert unit.aliases == ("2", "3") and len(table.units) == 2
    assert unit.macs == 3 * 4 * 4 * 9 * 36
    assert unit.parameters == 4 * 4 * 9 + 4
    assert table.parameters == sum(p.numel() for p in model.parameters())


def test_a_weight_shared_with_another_kind_of_module_stays():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.middle, self.output = nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 9)
            self.output.weight = self.embedding.weight

        def forward(self, x):
            return self.output(self.middle(self.embedding(x)))

    reason = profile(Tied(), torch.tensor([1, 2]), exclude={}).unit("output").reason
    assert reason == "shares its weight with embedding"


def test_norms_are_found_by_the_tensors_they_read(residual, images):
    norms = {unit.name: unit.norm for unit in profile(residual, images).units}
    assert norms == {"stem": "stem_norm", "first": "first_norm", "second": "second_norm", "shared": None,
                     "hidden": "hidden_norm", "output": None}


@pytest.mark.parametrize("forward", [
    lambda m, x: (lambda y: m.norm(y) + y)(m.conv(m.stem(x))),  # the raw output is used too
    lambda m, x: m.norm(m.conv(m.stem(x)).relu()),  # something stands between
    lambda m, x: m.norm(m.conv(m.stem(x))) + m.norm(m.stem(x)),  # the norm has two producers
    lambda m, x: (lambda y: (m.norm(y), y))(m.conv(m.stem(x))),  # the raw output is returned
    lambda m, x: (lambda y: m.norm(y) + m.other(y))(m.conv(m.stem(x))),  # two norms read it
])
def test_a_norm_that_is_not_the_units_own_is_left_alone(forward):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.conv = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)
            self.norm, self.other = nn.BatchNorm2d(2), nn.BatchNorm2d(2)

        def forward(self, x):
            return forward(self, x)

    assert profile(Model(), torch.randn(1, 2, 4, 4), exclude={}).unit("conv").norm is None


def test_the_model_is_left_as_it_was(residual, images):
    residual.train()
    residual.first_norm.eval()
    before = copy.deepcopy(residual.state_dict())
    profile(residual, images)
    assert residual.training and residual.second_norm.training and not residual.first_norm.training
    assert all(torch.equal(before[key], value) for key, value in residual.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in residual.modules())


def test_an_error_in_the_run_leaves_no_hooks(residual):
    residual.train()
    with pytest.raises(RuntimeError):
        profile(residual, torch.randn(1, 5, 8, 8))
    assert residual.training and not any(module._forward_hooks for module in residual.modules())


def test_a_network_without_layers_is_an_error():
    with pytest.raises(B2nnError, match="Identity runs no conv or linear layer"):
        profile(nn.Identity(), torch.ones(1))


def test_attention_is_counted_though_torch_fuses_it():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(16, 16)
            self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

        def forward(self, x):
            x = self.embed(x)
            return self.attention(x, x, x)[0]

    tokens = torch.zeros(1, 10, 16)
    products = 10 * 16 * 16 + 10 * 16 * 48 + 2 * 2 * 10 * 10 * 8 + 10 * 16 * 16  # embedding, projections, attention
    assert profile(Attention(), tokens).total >= 2 * products
