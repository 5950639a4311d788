import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from b2nn.cost import profile
from b2nn.errors import B2nnError, PlanError
from b2nn.parts import Part, by_layer, check_parts, equal_parts, parse
from b2nn.units import find_units

counts = st.integers(1, 40)
TABLE = profile(nn.Sequential(nn.Conv2d(3, 12, 3), nn.Conv2d(12, 12, 3), nn.Conv2d(12, 7, 1, bias=False), nn.Flatten(),
                              nn.Linear(7 * 16, 5), nn.Linear(5, 2)), torch.randn(2, 3, 8, 8))


@given(counts, counts, counts)
def test_equal_parts_hold_every_channel_once_and_are_alike(blocks, block, count):
    parts = equal_parts("conv", blocks * block, block, count)
    check_parts(parts, blocks * block, block)
    assert len(parts) == min(count, blocks)
    if len(parts) > 1:
        assert [part.first for part in parts] == [0, *(part.end for part in parts[:-1])]
        sizes = [part.end - part.first for part in parts]
        assert max(sizes) - min(sizes) in (0, block)
    assert [parse(part.name) for part in parts] == parts


def test_names_tell_layer_and_channels():
    assert parse("layer2.0.conv1[0:16]") == Part("layer2.0.conv1", 0, 16)
    assert parse("layer2.0.conv1") == Part("layer2.0.conv1") and Part("fc").name == "fc"
    assert by_layer(["b[0:2]", "a", "b[2:4]"]) == {"b": [Part("b", 0, 2), Part("b", 2, 4)], "a": [Part("a")]}


@pytest.mark.parametrize("names, complaint", [
    (["c[0:4]"], r"does not decide about c\[4:8\]; name every channel of a layer once"),
    (["c[4:8]"], r"does not decide about c\[0:4\]"),
    (["c[0:2]", "c[4:8]"], r"does not decide about c\[2:4\]"),
    (["c[0:6]", "c[4:8]"], r"plan names c\[4:8\], which overlaps another part of layer 'c'"),
    (["c[0:4]", "c[4:10]"], r"plan names c\[4:10\], but the channels of layer 'c' are \[0:8\]"),
    (["c[0:0]", "c[0:8]"], r"plan names c\[0:0\], but"),
    (["c", "c[0:8]"], "layer 'c' whole and in parts"),
    (["c[0:3]", "c[3:8]"], r"plan names c\[0:3\], which cuts through a group of 2 channels"),
])
def test_parts_that_do_not_make_a_layer_are_refused(names, complaint):
    with pytest.raises(PlanError, match=complaint):
        check_parts(by_layer(names)["c"], 8, 2)


def test_no_part_cuts_a_group_of_any_module_that_shares_the_weight():
    wide, grouped = nn.Conv2d(4, 8, 1, bias=False), nn.Conv2d(8, 8, 1, groups=2, bias=False)
    grouped.weight = wide.weight
    assert [unit.block for unit in find_units(nn.Sequential(wide, grouped, nn.Linear(3, 3)))] == [4, 1]


@pytest.fixture
def table(residual, images):
    return profile(residual, images)


@settings(deadline=None)
@given(granularity=st.integers(1, 20), kept=st.randoms())
def test_costs_of_the_parts_add_up_to_the_layers(granularity, kept):
    table = TABLE
    split = table.split(granularity)
    for unit in table.units:
        parts = [part for part in split.units if parse(part.name).layer == unit.name]
        assert len(parts) == (min(granularity, unit.weight_shape[0]) if unit.eligible else 1)
        for field in ("macs", "parameters", "weights", "flops", "saving"):
            assert sum(getattr(part, field) for part in parts) == getattr(unit, field)
        assert {(part.norm, part.eligible, part.order) for part in parts} == {(unit.norm, unit.eligible, unit.order)}
    names = [unit.name for unit in split.eligible]
    assert (split.total, split.floor, split.bytes(names)) == (table.total, table.floor, table.bytes(
        [unit.name for unit in table.eligible]))
    layers = {unit.name for unit in table.eligible if kept.random() < 0.5}
    full = [name for name in names if parse(name).layer in layers]
    assert (split.ratio(full), split.params_1bit(full)) == (table.ratio(layers), table.params_1bit(layers))


def test_a_division_is_told_by_names_and_undone(table):
    split = table.split(4)
    assert split.divided([unit.name for unit in split.eligible]) == split
    assert split.undivided is table and table.split(1) is table and split.split(1) is table
    assert [unit.name for unit in split.units][:5] == ["stem", *(f"first[{i}:{i + 2}]" for i in range(0, 8, 2))]
    assert split.unit("first[2:4]").weight_shape == (2, 8, 3, 3)
    with pytest.raises(PlanError, match="runs no conv or linear layer 'third'"):
        table.divided(["third[0:4]"])
    with pytest.raises(B2nnError, match="granularity is 0, but must be at least 1"):
        table.split(0)
