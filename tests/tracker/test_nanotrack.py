"""NanoTrack: the published networks to the fourth decimal, and their head on other backbones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from b2nn import pruning
from tracker.checkpoint import load_checkpoint
from tracker.errors import CheckpointError, TrackerError
from tracker.models import build_network, cost_table, example_inputs
from tracker.online import load_tracker

OURS = dict(width=0.25, stride=16, stem="light", shortcut="conv", activation="prelu")


@pytest.fixture(params=[2, 3])
def published(request, real_data):
    """Version, checkpoint, and the two ONNX graphs as functions."""
    runtime = pytest.importorskip("onnxruntime", reason="pip install onnxruntime (extra `onnx`) to compare with ONNX")
    version, folder = request.param, real_data / "nanotrack"
    if not folder.is_dir():
        pytest.skip(f"no NanoTrack files in {folder}")
    backbone, head = (runtime.InferenceSession(folder / f"nanotrackv{version}_{part}.onnx",
                                               providers=["CPUExecutionProvider"]) for part in ("backbone", "head"))
    return version, folder / f"nanotrackv{version}.pth", backbone, head


def test_published_weights_give_what_the_published_graphs_give(published):
    version, path, backbone, head = published
    network, checkpoint = load_checkpoint(path)
    assert checkpoint.model == {"type": "nanotrack", "version": version}
    generator = torch.Generator().manual_seed(0)
    search = torch.rand(1, 3, 255, 255, generator=generator) * 255
    kernel = network.embed(search[:, :, 64:191, 64:191])
    features = network.features(search)
    (wanted,) = backbone.run(None, {"input": search.numpy()})
    assert features.numpy() == pytest.approx(wanted, abs=1e-4)

    cls, box = head.run(None, {"input1": kernel.numpy(), "input2": wanted})
    found = network(kernel, search)
    assert found.cls.numpy() == pytest.approx(cls[:, 1] - cls[:, 0], abs=1e-4)
    assert found.box.numpy() == pytest.approx(box, abs=3e-4)


def test_a_published_checkpoint_tracks_at_once(published):
    _, path, *_ = published
    tracker = load_tracker(path)
    frame = np.random.default_rng(0).integers(0, 80, (120, 160, 3), dtype=np.uint8)
    frame[40:80, 60:100] = (0, 0, 255)
    tracker.init(frame, np.array([60.0, 40, 40, 40]))
    moved = np.roll(frame, 4, axis=1)
    box, score, lost = tracker.update(moved)
    assert box == pytest.approx([64, 40, 40, 40], abs=6)
    assert score > 0.5 and not lost


@pytest.mark.parametrize(("options", "cells"), [
    (dict(version=2), 16), (dict(version=3), 15),
    (dict(version=2, backbone=OURS, tower="plain", channels=16, depth=2), 16),
    (dict(version=3, backbone=OURS, tower="plain", channels=16, depth=2), 15),
])
def test_each_form_predicts_a_cell_every_16_pixels_around_the_middle(options, cells):
    network = build_network({"type": "nanotrack", **options}).eval()
    with torch.no_grad():
        cls, centerness, box = network(network.embed(torch.zeros(2, 3, 127, 127)), torch.zeros(2, 3, 255, 255))
    assert cls.shape == (2, cells, cells) and box.shape == (2, 4, cells, cells) and centerness is None
    assert (box > 0).all()
    x, y = network.grid()
    assert x[0, cells // 2] == y[cells // 2, 0] == 127.5
    assert x[0, 1] - x[0, 0] == 16


def test_plain_towers_are_what_bits_make_cheap():
    model = dict(type="nanotrack", backbone=OURS, channels=64, depth=3)
    separable, plain = (cost_table(build_network({**model, "tower": tower})) for tower in ("separable", "plain"))
    assert plain.ratio(()) < 0.75 * separable.ratio(())


@pytest.mark.parametrize(("options", "says"), [
    (dict(version=1), "version is 1; choose 2 or 3"),
    (dict(backbone=dict(stride=8)), "backbone.stride is 8"),
    (dict(tower="round"), "tower is 'round'"),
    (dict(template_size=255), "template_size is 255"),
    (dict(depth=0), "depth is 0"),
])
def test_what_cannot_be_built_is_refused_by_name(options, says):
    with pytest.raises(TrackerError, match=says):
        build_network({"type": "nanotrack", **options})


@pytest.mark.parametrize("options", [{}, {"version": 3}, {"backbone": {"width": 0.25, "stride": 16}},
                                     {"version": 3, "backbone": {"width": 0.25, "stride": 16}}])
def test_what_is_correlated_is_neither_made_binary_nor_pruned(options):
    network = build_network({"type": "nanotrack", **options})
    table = cost_table(network)
    correlated = [unit for unit in table.units if ".pixel.kernel" in unit.name or ".pixel.search" in unit.name
                  or ".channel." in unit.name]
    assert len(correlated) == (8 if network.config.version == 3 else 4)
    assert {unit.reason for unit in correlated} == {"its features are correlated"}
    pruning.prune(network, *example_inputs(network), budget=0.5, keep=network.prune_keep)
    pruned = cost_table(network)
    assert pruned.total <= 0.5 * table.total
    assert all(pruned.unit(unit.name).weight_shape == unit.weight_shape for unit in correlated)


def test_other_versions_of_the_published_weights_are_refused(tmp_path):
    torch.save({"state_dict": {"ban_head.cls_tower.0.weight": torch.zeros(1)}, "epoch": 1}, tmp_path / "v1.pth")
    with pytest.raises(CheckpointError, match=r"v1\.pth: not a tracker checkpoint"):
        load_checkpoint(tmp_path / "v1.pth")
