"""The networks: shapes, names, costs, and what a configuration may say."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.tracker.conftest import TINY
from tracker.config import load_config, preset_names
from tracker.errors import TrackerError
from tracker.models import build_network, cost_table, example_inputs
from tracker.models.correlation import DepthwiseCorrelation, PlainCorrelation
from tracker.models.resnet import BackboneConfig, ResNet18

# Names and shapes of torchvision's resnet18 that stages 1 to 3 share, as published with its weights.
TORCHVISION = {
    "conv1.weight": (64, 3, 7, 7), "bn1.weight": (64,), "bn1.running_var": (64,),
    "layer1.0.conv1.weight": (64, 64, 3, 3), "layer1.1.bn2.bias": (64,),
    "layer2.0.conv1.weight": (128, 64, 3, 3), "layer2.0.downsample.0.weight": (128, 64, 1, 1),
    "layer2.0.downsample.1.running_mean": (128,), "layer3.0.downsample.0.weight": (256, 128, 1, 1),
    "layer3.1.conv2.weight": (256, 256, 3, 3),
}


def test_backbone_bears_torchvisions_names():
    state = ResNet18(BackboneConfig()).state_dict()
    assert {name: tuple(state[name].shape) for name in TORCHVISION} == TORCHVISION


def test_torchvision_weights_load_with_rgb_turned_to_bgr():
    source = ResNet18(BackboneConfig())
    weights = source.state_dict() | {"fc.weight": torch.zeros(1000, 512), "layer4.0.conv1.weight": torch.zeros(1)}
    target = ResNet18(BackboneConfig())
    target.load_torchvision(weights)
    assert torch.equal(target.conv1.weight, source.conv1.weight.flip(1))
    assert torch.equal(target.layer3[1].conv2.weight, source.layer3[1].conv2.weight)
    with pytest.raises(TrackerError, match="width must be 1"):
        ResNet18(BackboneConfig(width=0.5)).load_torchvision(weights)


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("stem", ["resnet", "light"])
@pytest.mark.parametrize("shortcut", ["block", "conv"])
def test_every_form_of_the_backbone_has_its_stride(stride, stem, shortcut):
    backbone = ResNet18(BackboneConfig(0.125, stride, stem, shortcut, "prelu"))
    cells = -(-255 // stride)
    assert backbone(torch.zeros(1, 3, 255, 255)).shape == (1, 32, cells, cells)


def test_predictions_lie_on_the_grid_and_boxes_have_positive_sides(tiny_network):
    kernel, search = example_inputs(tiny_network)
    predictions = tiny_network(kernel, search)
    assert kernel.shape == (1, 8, 5, 5)
    assert predictions.cls.shape == predictions.centerness.shape == (1, 16, 16)
    assert predictions.box.shape == (1, 4, 16, 16) and (predictions.box > 0).all()
    assert tiny_network.grid().shape == (2, 16, 16) and tiny_network.grid()[0, 0, 1] == 16.5


def test_correlation_peaks_where_the_template_was_cut():
    torch.manual_seed(0)
    features = torch.randn(1, 4, 16, 16)
    response = DepthwiseCorrelation()(features[:, :, 5:10, 7:12], features).sum(1)
    assert divmod(int(response.argmax()), 16) == (7, 9)


def test_correlation_of_a_batch_is_that_of_its_items():
    torch.manual_seed(0)
    kernels, maps = torch.randn(3, 4, 3, 3), torch.randn(3, 4, 9, 9)
    for correlation in (DepthwiseCorrelation(), PlainCorrelation()):
        batch = correlation(kernels, maps)
        single = torch.cat([correlation(kernels[i:i + 1], maps[i:i + 1]) for i in range(3)])
        assert torch.allclose(batch, single, atol=1e-5)


@pytest.mark.parametrize("name", ["demo", "small", "nano", "resnet18", "siamfc"])
def test_costs_of_the_presets_agree_with_torchs_counter(name):
    network = build_network(load_config(name).model)
    table = cost_table(network)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network.eval()(*example_inputs(network))
    template = FlopCounterMode(display=False)
    with template, torch.no_grad():
        example_inputs(network)
    convs = counter.get_total_flops() - template.get_total_flops()
    assert 2 * sum(unit.macs for unit in table.units) <= convs <= table.total
    assert table.floor < 0.3
    assert {unit.name for unit in table.units if unit.eligible}


def test_the_small_preset_costs_what_its_first_line_says():
    assert cost_table(build_network(load_config("small").model)).total / 2 == pytest.approx(0.47e9, rel=0.02)


def test_siamfc_bears_the_published_keys_and_sizes():
    network = build_network({"type": "siamfc"}).eval()
    keys = set(network.state_dict())
    assert {"backbone.conv1.0.weight", "backbone.conv1.1.running_mean", "backbone.conv5.0.bias"} <= keys
    assert tuple(network.backbone.conv2[0].weight.shape) == (256, 48, 5, 5)
    kernel, search = example_inputs(network)
    assert kernel.shape == (1, 256, 6, 6) and network(kernel, search).shape == (1, 17, 17)


def test_siamfcs_floor_is_its_first_conv():
    table = cost_table(build_network({"type": "siamfc"}))
    assert 0.20 < table.floor < 0.22
    assert next(unit for unit in table.units if not unit.eligible).name == "backbone.conv1.0"


@pytest.mark.parametrize(("model", "message"), [
    ({"type": "vit"}, "siamese, nanotrack, siamfc"),
    (TINY | {"colour": 1}, "model.colour"),
    (TINY | {"backbone": {"stride": 4}}, "choose 8 or 16"),
    (TINY | {"backbone": {"stem": "big"}}, "resnet, light"),
    (TINY | {"backbone": {"depth": 3}}, "model.backbone.depth"),
])
def test_bad_models_are_named(model, message):
    with pytest.raises(TrackerError, match=message):
        build_network(model)


def test_presets_load_and_overrides_are_checked():
    assert preset_names() == ["demo", "nano", "resnet18", "siamfc", "small"]
    assert load_config("demo", {"fp.iterations": 7}).fp.iterations == 7
    with pytest.raises(TrackerError, match=r"fp\.iteration:.*iterations"):
        load_config("demo", {"fp.iteration": 7})
    with pytest.raises(TrackerError, match="choose demo"):
        load_config("huge")
    with pytest.raises(TrackerError, match="no such file"):
        load_config("absent.py")


@pytest.mark.parametrize("size", [200, 255, 256, 239])
@pytest.mark.parametrize("stride", [8, 16])
def test_every_search_size_gives_maps_on_the_grid(size, stride):
    backbone = TINY["backbone"] | {"stride": stride}
    network = build_network(TINY | {"search_size": size, "backbone": backbone}).eval()
    cells = network.grid().shape[1:]
    assert cells == (-(-size // stride),) * 2
    assert network(*example_inputs(network)).cls.shape == (1, *cells)


def test_the_pooled_shortcut_of_an_odd_map_averages_only_over_cells_that_are_there():
    shortcut = ResNet18(BackboneConfig(0.125, 8, "light", "conv")).layer2[0].downsample
    assert torch.equal(shortcut.pool(torch.ones(1, 8, 5, 5)), torch.ones(1, 8, 3, 3))


def test_pruning_keeps_what_is_correlated(tiny_network):
    assert tiny_network.prune_keep == ("neck.*",)
    assert build_network({"type": "siamfc"}).prune_keep == ()
