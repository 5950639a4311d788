"""Where the time of a frame goes: every layer has some, and together they are what the packed network takes."""

from __future__ import annotations

import statistics
import time

import pytest
import torch

from b2nn import binarize
from b2nn.plan import make_plan
from b2nn.recipe import Recipe
from tests.tracker.test_packed import presets, trained
from tracker.checkpoint import Checkpoint
from tracker.errors import TrackerError
from tracker.frame_times import unit_seconds
from tracker.models import build_network, cost_table
from tracker.packed import PackedTrackerNetwork, pack_network
from tracker.packed_layers import Half, by_unit, conv_halves


@pytest.mark.parametrize("name", presets())
@pytest.mark.parametrize("scale", ["adabin", "xnor"])
def test_every_layer_of_every_preset_is_found(name, scale):
    network, stored = trained(presets()[name], Recipe(scale=scale), seed=2)
    packed = PackedTrackerNetwork(pack_network(network, stored))
    found = {half for half, _ in conv_halves(network, packed.packed.programs)}
    table = cost_table(build_network(stored.model))
    assert found == {Half(unit.name, unit.name in stored.plan.binary) for unit in table.units}


@pytest.mark.parametrize("kernels", [True, False], ids=["kernels", "torch"])
def test_times_of_layers_and_the_rest_are_the_networks_time(tiny_model, monkeypatch, kernels):
    if not kernels:
        monkeypatch.setattr("b2nn.step_times.library", lambda: None)
        monkeypatch.setattr("b2nn.packed.network.library", lambda: None)
    table = cost_table(build_network(tiny_model))
    halves = table.split(2)
    plan = make_plan(halves, [unit.name for unit in halves.eligible[::2]], None, "random", 0)
    network = binarize(build_network(tiny_model), plan, halves).eval()
    packed = PackedTrackerNetwork(pack_network(network, Checkpoint(tiny_model, plan=plan)))
    seconds = unit_seconds(packed, conv_halves(network, packed.packed.programs), halves, plan.full)
    assert list(seconds) == [*(unit.name for unit in halves.units), ""]
    assert all(value > 0 for value in list(seconds.values())[:-1])
    kernel, search = packed.embed(torch.zeros(1, 3, 127, 127)), torch.zeros(1, 3, 255, 255)
    whole = []
    for _ in range(9):
        start = time.thread_time()
        packed(kernel, search)
        whole.append(time.thread_time() - start)
    assert statistics.median(whole) / 3 < sum(seconds.values()) < 3 * statistics.median(whole)


def test_parts_share_what_their_half_has_by_channels(tiny_model):
    table = cost_table(build_network(tiny_model)).split(4)
    parts = [unit for unit in table.eligible if unit.name.startswith("backbone.layer2.1.conv1[")]
    full = [parts[0].name]
    shared = by_unit({Half("backbone.layer2.1.conv1", True): 3.0, Half("backbone.layer2.1.conv1", False): 5.0}, table,
                     full)
    assert [shared[unit.name] for unit in parts] == [5.0, 1.0, 1.0, 1.0]
    assert sum(shared.values()) == 8


def test_another_architecture_is_named(tiny_model):
    network = build_network(tiny_model).eval()
    packed = PackedTrackerNetwork(pack_network(network, Checkpoint(tiny_model)))
    other = build_network(tiny_model | {"neck_channels": 16}).eval()
    with pytest.raises(TrackerError, match="is no layer of the architecture that it names; export it again"):
        conv_halves(other, packed.packed.programs)
