import copy
from dataclasses import replace

import pytest
import torch
from torch import distributed, nn

from b2nn.convert import binarize, clip_latent_, latent_weights, reestimate_batchnorm, set_progress
from b2nn.cost import profile
from b2nn.errors import B2nnError, PlanError, UnsupportedModule
from b2nn.gated import GatedUnit
from b2nn.layers import BinaryConv2d, BinaryLinear
from b2nn.plan import BinarizationPlan, all_binary, all_full, make_plan
from b2nn.recipe import Recipe


@pytest.fixture
def table(residual, images):
    return profile(residual, images)


def test_exactly_the_named_units_become_binary(residual, images, table):
    before = dict(residual.named_modules())
    values = copy.deepcopy(residual.state_dict())
    parameters = dict(residual.named_parameters())
    plan = make_plan(table, ["second", "shared"], None, "x", 0)
    assert binarize(residual, plan, table) is residual
    after = dict(residual.named_modules())
    changed = {name for name in before if after[name] is not before[name]}
    assert changed == {"first", "hidden"} == set(plan.binary)
    assert isinstance(after["first"], BinaryConv2d) and isinstance(after["hidden"], BinaryLinear)
    assert all(dict(residual.named_parameters())[name] is parameter for name, parameter in parameters.items())
    assert all(torch.equal(residual.state_dict()[key], value) for key, value in values.items())
    assert set(residual.state_dict()) - set(values) == {"first.shift", "hidden.shift"}
    assert residual(images).shape == (4, 4)


def test_a_plan_that_keeps_everything_changes_nothing(residual, images, table):
    expected = residual(images)
    binarize(residual, all_full(table), table)
    assert torch.equal(residual(images), expected)


def test_options_reach_the_layers(residual, table):
    recipe = Recipe("ste", "learned")
    binarize(residual, all_binary(table), table, recipe)
    assert residual.first.recipe == residual.hidden.recipe == recipe and residual.first.scale is not None


def test_shared_modules_are_replaced_under_all_their_names():
    conv, twin = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1, stride=2)
    twin.weight = conv.weight
    model = nn.Sequential(nn.Conv2d(4, 4, 1), conv, nn.ReLU(), conv, twin, nn.Conv2d(4, 4, 1))
    binarize(model, all_binary(profile(model, torch.randn(1, 4, 6, 6))))
    assert model[1] is model[3] and isinstance(model[1], BinaryConv2d)
    assert model[4].weight is model[1].weight and model[4].stride == (2, 2)
    assert not isinstance(model[0], BinaryConv2d) and not isinstance(model[5], BinaryConv2d)


@pytest.mark.parametrize("with_table", [True, False])
def test_a_plan_of_another_network_touches_nothing(residual, table, with_table):
    before = dict(residual.named_modules())
    plan = replace(all_binary(table), binary=("first", "no.such"))
    with pytest.raises(PlanError, match=r"plan names 1 layer the network lacks: no\.such"):
        binarize(residual, plan, table if with_table else None)
    assert all(residual.get_submodule(name) is module for name, module in before.items())


def test_with_its_cost_at_hand_a_plan_is_checked_in_full(residual, table):
    plan = replace(all_binary(table), architecture="of another network")
    with pytest.raises(PlanError, match="other shapes"):
        binarize(residual, plan, table)


def test_what_has_no_binary_form_is_refused_by_name(residual, table):
    plan = all_binary(table)
    residual.first = nn.Conv2d(8, 8, 3, padding=1, padding_mode="circular")
    with pytest.raises(UnsupportedModule, match="layer 'first' cannot be made binary: pads with 'circular'"):
        binarize(residual, plan)
    assert not isinstance(residual.hidden, BinaryLinear)


def test_converting_twice_is_refused(residual, table):
    plan = all_binary(table)
    binarize(residual, plan)
    with pytest.raises(UnsupportedModule, match="BinaryConv2d has no binary form"):
        binarize(residual, plan)


def test_a_model_that_is_one_layer_cannot_be_replaced_in_place():
    layer = nn.Linear(2, 2)
    plan = replace(all_binary(profile(nn.Sequential(layer), torch.ones(1, 2))), binary=("",))
    with pytest.raises(UnsupportedModule, match="it is the whole model"):
        binarize(layer, plan)


def test_a_hook_is_not_lost_silently(residual, table):
    plan = all_binary(table)
    residual.first.register_forward_hook(lambda *_: None)
    with pytest.raises(UnsupportedModule, match=r"layer 'first' .* carries forward hooks"):
        binarize(residual, plan)


def test_a_model_in_data_parallel_is_converted_inside(residual, images):
    wrapped = nn.DataParallel(residual)
    table = profile(wrapped, images)
    binarize(wrapped, all_binary(table), table)
    assert type(residual.first) is BinaryConv2d
    assert "module.first" in {unit.name for unit in table.eligible}


def test_gradients_would_differ_between_processes_inside_ddp_so_layers_there_are_refused(residual, images, tmp_path):
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(residual)
        table = profile(wrapped, images)
        assert not table.eligible
        assert "binarize first" in table.unit("module.second").reason
        with pytest.raises(UnsupportedModule, match=r"'module\.first'.*DistributedDataParallel"):
            binarize(wrapped, BinarizationPlan("", (), ("module.first",), None, 1.0, "x", 0))
        plain = binarize(copy.deepcopy(residual), all_binary(profile(residual, images)))
        nn.parallel.DistributedDataParallel(plain)(images).sum().backward()
        assert plain.first.shift.grad is not None
    finally:
        distributed.destroy_process_group()


def test_weights_of_a_converted_copy_load(residual, images, table):
    plan = all_binary(table)
    other = copy.deepcopy(residual)
    for parameter in other.parameters():
        parameter.data.mul_(0.5)
    binarize(residual, plan), binarize(other, plan)
    other.load_state_dict(residual.state_dict())
    assert torch.equal(other(images), residual(images))


def test_latent_weights_are_those_of_binary_layers_once(residual, table):
    assert latent_weights(residual) == []
    binarize(residual, make_plan(table, ["first"], None, "x", 0))
    assert {id(weight) for weight in latent_weights(residual)} \
        == {id(residual.second.weight), id(residual.shared.weight), id(residual.hidden.weight)}
    # The full-precision branch of a gated unit needs its range.
    assert latent_weights(nn.Sequential(GatedUnit(nn.Linear(2, 2)))) == []


def test_clipping_bounds_latent_weights_only(residual, table):
    binarize(residual, make_plan(table, ["second"], None, "x", 0))
    for parameter in residual.parameters():
        parameter.data.fill_(3.0)
    clip_latent_(residual)
    assert residual.first.weight.max() == 1 and residual.second.weight.max() == 3
    assert residual.first.shift.max() == 3
    clip_latent_(residual, bound=0.5)
    assert residual.first.weight.max() == 0.5


def test_progress_reaches_binary_layers_wherever_they_are(residual, table):
    binarize(residual, make_plan(table, ["second"], None, "x", 0))
    residual.second = GatedUnit(residual.second)
    set_progress(residual, 0.25)
    assert [layer.progress for layer in (residual.first, residual.second.binary, residual.shared, residual.hidden)] \
        == [0.25] * 4


def test_batchnorm_statistics_become_plain_averages():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5), nn.BatchNorm2d(3))
    model[0].eval()
    model[0].running_mean.fill_(100.0)
    batches = [torch.randn(8, 3, 4, 4) + i for i in range(5)]
    reestimate_batchnorm(model, batches)
    means = torch.stack([batch.mean((0, 2, 3)) for batch in batches])
    variances = torch.stack([batch.transpose(0, 1).flatten(1).var(1) for batch in batches])
    assert torch.allclose(model[0].running_mean, means.mean(0), atol=1e-5)
    assert torch.allclose(model[0].running_var, variances.mean(0), atol=1e-5)
    assert torch.allclose(model[2].running_var, torch.ones(3), atol=0.1)  # dropout, which doubles it, was off
    assert [module.training for module in model] == [False, True, True] and model[0].momentum == 0.1


def test_batchnorm_gets_the_forward_it_is_given():
    model = nn.BatchNorm1d(2)
    reestimate_batchnorm(model, [dict(x=torch.randn(9, 2) + 5)], forward=lambda batch: model(batch["x"]))
    assert (model.running_mean - 5).abs().max() < 2 and model.training


def test_batchnorm_without_batches_is_an_error():
    with pytest.raises(B2nnError, match="no batches"):
        reestimate_batchnorm(nn.BatchNorm1d(2), [])
