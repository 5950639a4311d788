import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from b2nn.cost import profile
from b2nn.errors import BudgetError, PlanError
from b2nn.plan import (
    FORMAT,
    BinarizationPlan,
    all_binary,
    all_full,
    architecture_hash,
    check_budget,
    load_plan,
    make_plan,
    rounded_up,
    validate,
)


@pytest.fixture
def table(residual, images):
    return profile(residual, images)


def test_a_plan_decides_about_every_eligible_layer(table):
    plan = make_plan(table, ["second", "first"], 0.9, "by hand", 3)
    assert plan.full == ("first", "second") and plan.binary == ("hidden", "shared")
    assert (plan.ratio, plan.budget, plan.metric) == (table.ratio(plan.full), 0.9, "flops")
    validate(plan, table)


def test_the_extremes(table):
    assert all_binary(table).full == () and all_binary(table).ratio == table.floor
    assert all_full(table).binary == () and all_full(table).ratio == 1


def test_save_and_load(table, tmp_path):
    plan = make_plan(table, ["first"], 0.9, "by hand", 3, trace="trace.json")
    plan.save(tmp_path / "plan.json")
    assert load_plan(tmp_path / "plan.json") == plan
    assert json.loads((tmp_path / "plan.json").read_text())["format"] == FORMAT == "b2nn.plan/1"
    assert [file.name for file in tmp_path.iterdir()] == ["plan.json"]  # no temporary file stays


def test_an_interrupted_save_leaves_the_old_plan(table, tmp_path, monkeypatch):
    file = tmp_path / "plan.json"
    all_full(table).save(file)
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        all_binary(table).save(file)
    assert load_plan(file) == all_full(table)


@pytest.mark.parametrize("change, complaint", [
    ({"format": "b2nn.plan/0"}, "format is 'b2nn.plan/0'"),
    ({"full": None}, "'full' is None, but must be a list"),
    ({"full": [1]}, "'full' must hold layer names"),
    ({"seed": True}, "'seed' is True"),
    ({"metric": "watts"}, "metric 'watts' is not one of flops"),
    ({"full": ["first", "shared"]}, "1 layer named more than once: shared"),
])
def test_a_malformed_plan_is_refused_with_the_file_named(table, tmp_path, change, complaint):
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(make_plan(table, ["first"], 0.9, "x", 0).to_dict() | change))
    with pytest.raises(PlanError) as error:
        load_plan(file)
    assert complaint in str(error.value) and str(file) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("key", sorted(set(BinarizationPlan.__dataclass_fields__)))
def test_a_missing_key_is_named(table, key):
    data = all_full(table).to_dict()
    del data[key]
    with pytest.raises(PlanError, match=f"my.json: key '{key}' is missing"):
        BinarizationPlan.from_dict(data, "my.json")


@pytest.mark.parametrize("text, complaint",
                         [("{", "not JSON"), ("[]", "format is 'list'"), ("\xff", "not JSON")])
def test_a_file_that_is_no_plan(tmp_path, text, complaint):
    file = tmp_path / "plan.json"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(PlanError, match=complaint):
        load_plan(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PlanError, match=r"nowhere\.json: cannot be read"):
        load_plan(tmp_path / "nowhere.json")


def test_a_plan_for_other_layers_names_them(table):
    plan = make_plan(table, ["first"], 0.9, "x", 0)
    with pytest.raises(PlanError, match=r"plan names 2 layers the network lacks: a\.b, c\.d"):
        validate(replace(plan, full=("c.d", "first"), binary=(*plan.binary, "a.b")), table)
    with pytest.raises(PlanError, match=r"1 layer that must stay in full precision: stem \(sees"):
        validate(replace(plan, binary=(*plan.binary, "stem")), table)
    with pytest.raises(PlanError, match="does not decide about 1 layer of the network: first"):
        validate(replace(plan, full=()), table)


def test_a_plan_for_other_shapes_is_refused(table):
    def net(width):
        return profile(nn.Sequential(nn.Linear(3, width), nn.Linear(width, width), nn.Linear(width, 2)),
                       torch.randn(1, 3))

    validate(all_binary(net(4)), net(4))
    with pytest.raises(PlanError, match="same layer names but other shapes"):
        validate(all_binary(net(4)), net(5))


def test_the_hash_does_not_depend_on_the_input_size(residual, images):
    larger = profile(residual, torch.randn(1, 3, 32, 32))
    assert architecture_hash(larger) == architecture_hash(profile(residual, images))


def test_a_plan_over_budget_is_refused(table):
    with pytest.raises(BudgetError, match="above the budget"):
        make_plan(table, ["first", "second"], table.ratio(["first"]), "x", 0)
    with pytest.raises(PlanError, match="'stem' is always in full precision"):
        make_plan(table, ["stem"], 1.0, "x", 0)


@pytest.mark.parametrize("budget", [0, -0.1, 1.01, float("nan"), 1e-6])
def test_impossible_budgets(table, budget):
    with pytest.raises(BudgetError, match=f"budget {budget}"):
        check_budget(table, budget)


def test_the_printed_floor_is_itself_a_possible_budget(table):
    with pytest.raises(BudgetError) as error:
        check_budget(table, 0.01)
    printed = float(str(error.value).split("the ratio is ")[1].split(";")[0])
    assert table.floor <= printed < table.floor + 1e-4
    check_budget(table, printed)


@given(st.floats(0, 1))
def test_a_ratio_is_never_printed_as_less(ratio):
    assert ratio <= float(rounded_up(ratio)) < ratio + 1.001e-4


def test_a_plan_of_parts_is_one_for_the_same_network(table, tmp_path):
    split = table.split(2)
    plan = make_plan(split, ["first[0:4]", "shared[0:8]", "shared[8:16]"], 0.9, "by hand", 3)
    assert plan.architecture == architecture_hash(table)
    plan.save(tmp_path / "plan.json")
    for other in (table, split, table.split(4)):
        validate(load_plan(tmp_path / "plan.json"), other)
        validate(all_binary(table), other)
    assert plan.ratio == table.divided(plan.names).ratio(plan.full)


@pytest.mark.parametrize("binary, complaint", [
    (("first[4:6]",), r"does not decide about first\[6:8\]"),
    (("first[2:8]",), r"first\[2:8\], which overlaps another part"),
    (("first[4:12]",), r"channels of layer 'first' are \[0:8\]"),
    (("first",), "layer 'first' whole and in parts"),
    (("first[4:8]", "stem[0:8]"), "must stay in full precision: stem"),
    (("first[4:8]", "third[0:8]"), "1 layer the network lacks: third"),
])
def test_parts_that_do_not_fit_the_network_are_named(table, binary, complaint):
    plan = make_plan(table, [], None, "by hand", 0)
    others = tuple(name for name in plan.binary if name != "first")
    with pytest.raises(PlanError, match=complaint):
        validate(replace(plan, full=("first[0:4]",), binary=(*others, *binary)), table)
