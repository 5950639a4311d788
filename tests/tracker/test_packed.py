"""Packed trackers answer as the unpacked ones do, from a checkpoint or from a file of their own."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from b2nn import Recipe, binarize
from b2nn.packed import pack, save
from b2nn.packed.library import library
from b2nn.plan import make_plan
from eval.options import find_trackers
from tracker.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tracker.config import load_config
from tracker.errors import CheckpointError, TrackerError
from tracker.export.command import export_packed
from tracker.models import build_network, cost_table
from tracker.online import load_tracker
from tracker.packed import PackedTrackerNetwork, pack_network
from tracker.several import SeveralTracker


def trained(model: dict, recipe: Recipe, seed: int):
    """A network with a random half of its units binary, and the BatchNorm statistics of random crops."""
    network = build_network(model)
    table = cost_table(network)
    eligible = [unit.name for unit in table.units if unit.eligible]
    plan = make_plan(table, random.Random(seed).sample(eligible, len(eligible) // 2), None, "random", seed)
    binarize(network, plan, table, recipe)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.3, 0.3)
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network.respond(network.embed(crops(2, network.config.template_size)),
                            network.features(crops(2, network.config.search_size)))
    return network.eval(), Checkpoint(model, {}, plan, recipe=recipe)


def crops(count: int, size: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, size, size)).float()


def presets() -> dict[str, dict]:
    """The model of every preset, resnet18 at a quarter of its width: the same layers in less time."""
    models = {name: load_config(name).model.to_dict() for name in ("demo", "small", "nano", "resnet18", "siamfc")}
    models["resnet18"]["backbone"]["width"] = 0.25
    return models


@pytest.mark.parametrize("scale", ["mean", "adabin"])
@pytest.mark.parametrize("name", presets())
def test_maps_of_every_preset(name, scale):
    network, checkpoint = trained(presets()[name], Recipe(scale=scale), seed=3)
    packed = PackedTrackerNetwork(pack_network(network, checkpoint))
    alike = []
    for _ in range(3):
        template, search = crops(1, network.config.template_size), crops(1, network.config.search_size)
        with torch.no_grad():
            wanted, found = network(network.embed(template), search), packed(packed.embed(template), search)
        alike.append(all((own - truth).abs().max() <= 1e-4 * truth.abs().max()
                         for own, truth in zip(found, wanted, strict=True) if truth is not None))
    # Of some millions of bits one lies within a rounding error of its threshold, and changes what depends on it.
    assert sum(alike) >= 2
    assert packed.stride == network.stride and packed.config == network.config
    assert name == "siamfc" or torch.equal(packed.grid(), network.grid())


@pytest.fixture
def stored(tiny_model, tmp_path):
    """A checkpoint of a tiny tracker, and a video of noise."""
    network, checkpoint = trained(tiny_model, Recipe(), seed=0)
    save_checkpoint(tmp_path / "checkpoint.pth", network, checkpoint)
    return tmp_path / "checkpoint.pth"


def boxes(tracker) -> np.ndarray:
    frames = np.random.default_rng(0).integers(0, 256, (4, 120, 160, 3), dtype=np.uint8)
    tracker.init(frames[0], np.array([60.0, 40.0, 30.0, 30.0]))
    return np.stack([tracker.update(frame).box for frame in frames[1:]])


def test_a_checkpoint_and_its_packed_file_track_alike(stored, tmp_path):
    network, checkpoint = load_checkpoint(stored)
    save(tmp_path / "any.name", pack_network(network, checkpoint))
    plain = boxes(load_tracker(stored))
    for tracker in (load_tracker(stored, packed=True), load_tracker(tmp_path / "any.name")):
        assert isinstance(tracker.network, PackedTrackerNetwork)
        np.testing.assert_allclose(boxes(tracker), plain, atol=0.05)


def test_the_first_frame_after_the_target_was_shown_finds_everything_ready(stored):
    tracker = load_tracker(stored, packed=True)
    frame = np.zeros((120, 160, 3), np.uint8)
    tracker.init(frame, np.array([60.0, 40.0, 30.0, 30.0]))
    before = list(tracker.network.packed._prepared)
    tracker.update(frame)
    several = SeveralTracker(tracker)
    several.init(frame, [np.array([60.0, 40.0, 30.0, 30.0])] * 2)
    both = list(tracker.network.packed._prepared)
    several.update(frame)
    assert list(tracker.network.packed._prepared) == both
    assert both[:len(before)] == before and len(both) == len(before) + (library() is not None)


@pytest.mark.parametrize("precision", ["float32", "bf16", "int8"])
def test_crops_as_bytes_and_both_halves_of_a_frame_at_once(precision):
    network, checkpoint = trained(presets()["nano"], Recipe(scale="adabin"), seed=1)
    template, search = crops(1, network.config.template_size), crops(1, network.config.search_size)
    packed = PackedTrackerNetwork(pack_network(network, checkpoint, precision, [(template, search)] * 2))
    kernel = packed.embed(template)
    wanted = packed.respond(kernel, packed.features(search))
    for form in (search, search.byte(), search.byte().contiguous(memory_format=torch.channels_last)):
        found = packed(kernel, form)
        assert torch.equal(found.cls, wanted.cls) and torch.equal(found.box, wanted.box)


def other_network(path: Path) -> None:
    save(path, pack(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 1))))


def test_other_packed_networks_are_refused(tmp_path):
    other_network(tmp_path / "other.packed")
    with pytest.raises(CheckpointError, match=r"other.packed: holds no tracker"):
        load_tracker(tmp_path / "other.packed")


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_export_writes_one_file_that_tracks(stored, tmp_path, precision):
    said, *_ = export_packed(stored, tmp_path / "tracker.packed", precision)
    assert said.startswith(f"{tmp_path}/tracker.packed: {(tmp_path / 'tracker.packed').stat().st_size:,} bytes")
    assert np.isfinite(boxes(load_tracker(tmp_path / "tracker.packed"))).all()


def test_export_needs_a_file_to_write(stored, tmp_path):
    with pytest.raises(TrackerError, match="a packed tracker is one file"):
        export_packed(stored, tmp_path)


def test_benchmarks_keep_the_packed_and_the_unpacked_apart(stored, tmp_path):
    (plain,), (packed,) = (find_trackers(tmp_path, [stored], packed, mark)
                           for packed, mark in ((False, "-unpacked"), (True, "")))
    assert (plain.name, packed.name) == ("checkpoint-unpacked", "checkpoint") and plain.sha256 != packed.sha256
    assert (plain.summary["form"], packed.summary["form"]) == ("torch", "packed")
    assert isinstance(packed.load("cpu").network, PackedTrackerNetwork)
    assert not isinstance(plain.load("cpu").network, PackedTrackerNetwork)


def test_a_packed_file_tells_what_it_costs(stored, tmp_path):
    export_packed(stored, tmp_path / "t.packed", "bf16")
    (spec,) = find_trackers(tmp_path, [tmp_path / "t.packed"], True)
    _, checkpoint = load_checkpoint(stored)
    table = cost_table(build_network(checkpoint.model))
    assert spec.name == "t" and spec.summary == {
        "method": "random", "budget": None, "flops_ratio": checkpoint.plan.ratio,
        "counted_flops": table.counted(checkpoint.plan.full), "fp_flops": table.total,
        "params_1bit": table.params_1bit(checkpoint.plan.full),
        "params_32bit": table.params_32bit(checkpoint.plan.full),
        "bytes": (tmp_path / "t.packed").stat().st_size, "form": "packed, bf16"}


def test_damaged_files_are_refused(stored, tmp_path):
    network, checkpoint = load_checkpoint(stored)
    save(tmp_path / "cut.packed", pack_network(network, checkpoint))
    (tmp_path / "cut.packed").write_bytes((tmp_path / "cut.packed").read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"cut.packed: damaged or cut short"):
        load_tracker(tmp_path / "cut.packed")


def test_a_packed_file_is_no_checkpoint_to_train_from(tmp_path):
    other_network(tmp_path / "other.packed")
    with pytest.raises(CheckpointError, match="a packed tracker, which can only track"):
        load_checkpoint(tmp_path / "other.packed")


def test_packed_networks_run_on_the_cpu_only(stored):
    with pytest.raises(TrackerError, match="run on the CPU only, not on meta"):
        load_tracker(stored, "meta", packed=True)
