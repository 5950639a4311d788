"""A tracker as two ONNX graphs: they agree with the network, tell what they are, and track as it does."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from b2nn.convert import binarize
from b2nn.plan import make_plan
from b2nn.recipe import Recipe
from datasets.synthetic import SyntheticOptions, ensure
from eval.options import find_trackers
from tracker.checkpoint import Checkpoint, save_checkpoint
from tracker.errors import CheckpointError, TrackerError
from tracker.export.calibration import calibration_examples
from tracker.export.command import export_onnx, export_onnx_int8
from tracker.export.onnx_check import TOLERANCE, check_graphs
from tracker.export.onnx_graphs import export_graphs, write_graphs
from tracker.models import build_network, cost_table
from tracker.online import SiameseTracker, load_tracker
from tracker.onnx_network import OnnxNetwork
from tracker.onnx_session import session
from tracker.several import SeveralTracker

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

RELU = dict(type="siamese", backbone=dict(width=0.125, stride=16, stem="light"), neck_channels=8, template_cells=5,
            head=dict(channels=8, depth=1))
MODELS = {
    "siamese": RELU,
    "plain towers": dict(type="nanotrack", backbone=dict(width=0.125, stride=16, stem="light", activation="rprelu"),
                         tower="plain", channels=8, depth=1),
    "nanotrack 3": dict(type="nanotrack", version=3, depth=1),
    "siamfc": dict(type="siamfc"),
}


def network_of(model: dict, recipe: Recipe | None = None, parts: int = 1):
    """With statistics that make BatchNorm matter; with a recipe every second unit is binary."""
    torch.manual_seed(0)
    network = build_network(model)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    plan = None
    if recipe:
        table = cost_table(network).split(parts)
        plan = make_plan(table, [unit.name for unit in table.eligible[::2]], 1.0, "random", 0)
        binarize(network, plan, table, recipe)
        for name, parameter in network.named_parameters():
            if name.endswith("shift"):
                parameter.data.normal_(0, 0.2)
    return network.eval().requires_grad_(False), Checkpoint(model, {"window_influence": 0.3}, plan,
                                                            recipe=recipe or Recipe())


@pytest.mark.parametrize("any_batch", [False, True], ids=["one batch", "any batch"])
@pytest.mark.parametrize("model", MODELS)
def test_both_graphs_agree_with_every_kind_of_network(model, any_batch):
    network, checkpoint = network_of(MODELS[model])
    assert check_graphs(export_graphs(network, checkpoint, any_batch), network) <= TOLERANCE


@pytest.mark.parametrize("scale", ["mean", "learned", "none", "adabin"])
def test_a_partly_binary_network_agrees_too_and_keeps_no_latent_weights(scale):
    network, checkpoint = network_of(RELU, Recipe(scale=scale), parts=2)
    graphs = export_graphs(network, checkpoint)
    assert check_graphs(graphs, network) <= TOLERANCE
    assert any(node.op_type == "GreaterOrEqual" for node in graphs.search.graph.node)
    constants = {tensor.name for tensor in graphs.search.graph.initializer}
    assert all(node.input[1] in constants for node in graphs.search.graph.node
               if node.op_type == "Conv" and "correlation" not in node.name)


def test_a_graph_of_other_weights_is_refused():
    network, checkpoint = network_of(RELU)
    graphs = export_graphs(network, checkpoint)
    network.neck[0].weight.mul_(1.001)
    with pytest.raises(TrackerError, match=r"'kernel' differs from the network's by .* nothing is written"):
        check_graphs(graphs, network)


def test_a_graph_of_other_thresholds_is_refused():
    network, checkpoint = network_of(RELU, Recipe())
    graphs = export_graphs(network, checkpoint)
    next(module for module in network.modules() if hasattr(module, "shift")).shift.add_(0.1)
    with pytest.raises(TrackerError, match="bits differ"):
        check_graphs(graphs, network)


def test_window_means_are_refused_by_name():
    network, checkpoint = network_of(RELU, Recipe(scale="xnor"))
    with pytest.raises(TrackerError, match="'xnor'"):
        export_graphs(network, checkpoint)


def test_any_number_of_pairs_runs_and_each_is_answered_as_if_alone():
    network, checkpoint = network_of(RELU)
    run = session(export_graphs(network, checkpoint, any_batch=True).search, 1).run
    kernel, search = torch.randn(3, 8, 5, 5).numpy(), (torch.rand(3, 3, 255, 255) * 255).numpy()
    together, = run(["cls"], {"kernel": kernel, "search": search})
    for place in range(3):
        alone, = run(["cls"], {"kernel": kernel[place:place + 1], "search": search[place:place + 1]})
        np.testing.assert_allclose(together[place], alone[0], atol=1e-4 * np.abs(together).max())


def test_the_same_network_gives_the_same_bytes_and_tells_what_it_is(tmp_path):
    network, checkpoint = network_of(RELU, Recipe())
    first = write_graphs(tmp_path / "a", export_graphs(network, checkpoint))
    again = write_graphs(tmp_path / "b", export_graphs(network, checkpoint))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    facts = session(first[1], 1).get_modelmeta().custom_metadata_map
    assert json.loads(facts["model"]) == RELU and json.loads(facts["tracking"]) == {"window_influence": 0.3}
    assert float(facts["ratio"]) == checkpoint.plan.ratio < 1
    assert json.loads(facts["plan"])["binary"] == list(checkpoint.plan.binary)
    assert facts["precision"] == "float32" and facts["graph"] == "search"


def frames() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 255, (3, 120, 160, 3), dtype=np.uint8))


@pytest.mark.parametrize("model", ["siamese", "siamfc"])
def test_the_pair_tracks_as_the_network_does(model, tmp_path):
    network, checkpoint = network_of(MODELS[model])
    checkpoint = Checkpoint(checkpoint.model, {"lost_below": 0.2})
    save_checkpoint(tmp_path / "tracker.pth", network, checkpoint)
    lines = export_onnx(tmp_path / "tracker.pth", tmp_path / "onnx")
    assert lines[0].startswith(str(tmp_path / "onnx" / "template.onnx"))
    boxes = []
    for tracker in (SiameseTracker(network, checkpoint.tracking), load_tracker(tmp_path / "onnx")):
        tracker.init(frames()[0], np.array([50.0, 40, 30, 20]))
        boxes.append([tracker.update(frame).box for frame in frames()[1:]])
    np.testing.assert_allclose(boxes[0], boxes[1], atol=0.05)
    assert tracker.lost_options.lost_below == 0.2


@pytest.mark.parametrize("any_batch", [False, True], ids=["one batch", "any batch"])
@pytest.mark.parametrize("model", ["siamese", "siamfc"])
def test_several_targets_are_tracked_as_each_alone(model, any_batch, tmp_path):
    network, checkpoint = network_of(MODELS[model])
    write_graphs(tmp_path, export_graphs(network, checkpoint, any_batch))
    boxes = [np.array([50.0, 40, 30, 20]), np.array([20.0, 60, 20, 20]), np.array([90.0, 30, 25, 40])]
    together = SeveralTracker(load_tracker(tmp_path))
    together.init(frames()[0], boxes)
    found = [[result.box for result in together.update(frame)] for frame in frames()[1:]]
    for number, box in enumerate(boxes):
        alone = load_tracker(tmp_path)
        alone.init(frames()[0], box)
        for frame, results in zip(frames()[1:], found, strict=True):
            np.testing.assert_allclose(results[number], alone.update(frame).box, atol=0.05)


def test_the_folder_knows_what_it_costs_and_is_evaluated_under_its_own_name(tmp_path):
    network, checkpoint = network_of(RELU, Recipe())
    write_graphs(tmp_path / "exported", export_graphs(network, checkpoint))
    (spec,) = find_trackers(tmp_path, [tmp_path / "exported"])
    table = cost_table(build_network(RELU))
    assert spec.name == "exported" and spec.summary == {
        "method": "random", "budget": 1.0, "flops_ratio": checkpoint.plan.ratio,
        "counted_flops": table.counted(checkpoint.plan.full), "fp_flops": table.total,
        "params_1bit": table.params_1bit(checkpoint.plan.full),
        "params_32bit": table.params_32bit(checkpoint.plan.full),
        "bytes": sum(file.stat().st_size for file in (tmp_path / "exported").iterdir()), "form": "onnxruntime"}
    assert isinstance(spec.load("cpu").network, OnnxNetwork)
    write_graphs(tmp_path / "exported", export_graphs(*network_of(RELU)))
    assert find_trackers(tmp_path, [tmp_path / "exported"])[0].sha256 != spec.sha256


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    root = tmp_path_factory.mktemp("calibration")
    return ensure(root, SyntheticOptions(train_sequences=2, val_sequences=0, train_frames=4, val_frames=2))


def test_int8_runs_on_integers_and_stays_near_the_float_graph(sequences, tmp_path):
    network, checkpoint = network_of(RELU)
    save_checkpoint(tmp_path / "tracker.pth", network, checkpoint)
    lines = export_onnx_int8(tmp_path / "tracker.pth", tmp_path / "int8", calibration=sequences)
    convs = [name for name, module in network.named_modules() if isinstance(module, torch.nn.Conv2d)]
    in_float = 3 + 1  # predictions, and the stem's grouped conv
    # onnxruntime may take a float conv between two of integers along.
    assert int(lines[2].split()[3]) >= len(convs) - in_float
    tracker = load_tracker(tmp_path / "int8")
    assert tracker.network.precision == "int8"
    template, search = map(torch.from_numpy, calibration_examples(sequences, network, crops=1, count=1)[0])
    wanted, found = network.embed(template), tracker.network.embed(template)
    assert 0 < (found - wanted).square().mean().sqrt() < 0.05 * wanted.square().mean().sqrt()
    assert tracker.network(found, search).cls.shape == network(wanted, search).cls.shape


@pytest.mark.parametrize("export", [export_onnx, export_onnx_int8])
def test_a_file_in_the_place_of_the_folder_is_refused_before_anything_is_read(export, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(TrackerError, match="is a file"):
        export(tmp_path / "none.pth", tmp_path / "out")


def test_a_folder_without_graphs_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"a folder; give a checkpoint"):
        load_tracker(tmp_path)
    (tmp_path / "search.onnx").touch()
    with pytest.raises(CheckpointError, match=r"template\.onnx: no such file"):
        load_tracker(tmp_path)


def test_files_that_are_no_graphs_are_named(tmp_path):
    for name in ("template.onnx", "search.onnx"):
        (tmp_path / name).write_text("nothing")
    with pytest.raises(TrackerError, match=r"template\.onnx: onnxruntime cannot load it"):
        load_tracker(tmp_path)
