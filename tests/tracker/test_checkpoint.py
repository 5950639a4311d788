"""Checkpoints: what is saved comes back to the bit, and nothing else is let in."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from b2nn import pruning
from b2nn.convert import binarize
from b2nn.plan import all_binary, all_full, make_plan
from b2nn.recipe import SCALES, Recipe
from tests.tracker.conftest import TINY
from tracker.checkpoint import FORMAT, Checkpoint, load_checkpoint, save_checkpoint
from tracker.errors import CheckpointError
from tracker.models import build_network, cost_table, example_inputs


@pytest.fixture
def file(tmp_path, tiny_network) -> Path:
    path = tmp_path / "checkpoint.pth"
    save_checkpoint(path, tiny_network, Checkpoint(TINY))
    return path


def altered(file: Path, **changes) -> Path:
    """The file with other content under some keys; `...` removes a key."""
    content = torch.load(file, weights_only=True) | changes
    torch.save({key: value for key, value in content.items() if value is not ...}, file)
    return file


def randomized(network):
    """Weights and statistics that no fresh network has."""
    generator = torch.Generator().manual_seed(3)
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) + 0.1)
    return network.eval()


@pytest.mark.parametrize(("kind", "scale"), [("full", "mean"), *[("binary", scale) for scale in SCALES],
                                             ("mixed", "adabin"), ("mixed", "learned"), ("pruned", "mean")])
def test_a_network_comes_back_to_the_bit(tmp_path, kind, scale):
    network = build_network(TINY)
    plan = pruned = None
    recipe = Recipe(scale=scale)
    if kind == "pruned":
        pruned = pruning.prune(network, *example_inputs(network), budget=0.6, keep=network.prune_keep)
    else:
        table = cost_table(network)
        halves = table.split(2)
        plan = {"full": all_full(table), "binary": all_binary(table), "mixed": make_plan(
            halves, [unit.name for unit in halves.eligible[::2]], None, "by hand", 0)}[kind]
        binarize(network, plan, table, recipe)
    randomized(network)
    stored = Checkpoint(TINY, {"window_influence": 0.2}, plan, pruned, recipe)
    save_checkpoint(tmp_path / "new" / "a.pth", network, stored)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.pth"], "no temporary file is left"

    loaded, found = load_checkpoint(tmp_path / "new" / "a.pth")
    assert found == stored
    assert not loaded.training and not any(parameter.requires_grad for parameter in loaded.parameters())
    generator = torch.Generator().manual_seed(0)
    template, search = (255 * torch.rand(1, 3, size, size, generator=generator) for size in (127, 255))
    network = network.eval().to(memory_format=torch.channels_last)
    with torch.no_grad():
        wanted, got = (one(one.embed(template), search) for one in (network, loaded))
    assert all(torch.equal(a, b) for a, b in zip(wanted, got, strict=True))


def test_a_file_older_than_recipes_is_one_of_the_default_recipe(tmp_path):
    network = build_network(TINY)
    plan = all_binary(cost_table(network))
    save_checkpoint(tmp_path / "a.pth", binarize(network, plan), Checkpoint(TINY, plan=plan))
    loaded, stored = load_checkpoint(altered(tmp_path / "a.pth", recipe=...))
    assert stored.recipe == Recipe()
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in network.state_dict().items())


def test_a_recipe_that_is_none_is_refused_by_field(file):
    with pytest.raises(CheckpointError, match=r"recipe\.scale is 'median'; it must be one of mean"):
        load_checkpoint(altered(file, recipe={"scale": "median"}))


def test_a_failed_write_leaves_the_old_file_and_no_other(file, tiny_network, monkeypatch):
    before = file.read_bytes()

    def fail(content, path):
        Path(path).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(file, tiny_network, Checkpoint(TINY))
    assert file.read_bytes() == before and list(file.parent.iterdir()) == [file]


def test_files_that_are_no_checkpoints_are_named(tmp_path, file):
    whole = file.read_bytes()
    (tmp_path / "half.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.pth").write_text("hello")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "dict.pth")
    for name, message in (("absent", "no such checkpoint"), ("half", "neither a checkpoint"), ("text", "or damaged"),
                          ("list", "not a tracker checkpoint"), ("dict", "format None")):
        with pytest.raises(CheckpointError, match=rf"{name}\.pth: .*{message}"):
            load_checkpoint(tmp_path / f"{name}.pth")


class Malicious:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "code ran")


@pytest.mark.parametrize("write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, 2))])
def test_code_in_a_file_is_not_run(tmp_path, write):
    file, trace = tmp_path / "bad.pth", tmp_path / "trace"
    write({"format": FORMAT, "model": Malicious(trace)}, file)
    with pytest.raises(CheckpointError, match=r"bad\.pth: neither a checkpoint"):
        load_checkpoint(file)
    assert not trace.exists()


@pytest.mark.parametrize(("changes", "message"), [
    ({"format": "b2track.checkpoint/9"}, "checkpoint/9"),
    ({"model": ...}, "lacks 'model'"),
    ({"model": None}, "'model' is None"),
    ({"model": {"type": "vit"}}, "model.type is 'vit'"),
    ({"model": TINY | {"backbone": 3}}, "model.backbone is 3"),
    ({"model": TINY | {"neck_channels": "many"}}, "model.neck_channels is 'many'"),
    ({"model": TINY | {"head": {"activation": "elu"}}}, "model.head.activation is 'elu'"),
    ({"tracking": 3}, "'tracking' is 3"),
    ({"plan": {"format": "other"}}, "plan"),
    ({"plan": 3}, "plan"),
    ({"pruned": {"format": "b2nn.pruning/1"}}, "pruning plan"),
    ({"state_dict": ...}, "holds no weights"),
    ({"state_dict": 3}, "holds no weights"),
    ({"state_dict": {"neck.0.weight": 3}}, "'neck.0.weight' is no weight but int"),
])
def test_bad_content_is_named_with_the_file(file, changes, message):
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(altered(file, **changes))
    assert str(error.value).startswith(f"{file}: ") and message in str(error.value)


def test_a_plan_of_another_network_is_refused(file, tiny_network):
    plan = all_binary(cost_table(tiny_network)).to_dict()
    names = ["backbone.layer9.conv", *plan["binary"][1:]]
    with pytest.raises(CheckpointError, match=r"checkpoint\.pth: .*backbone\.layer9\.conv"):
        load_checkpoint(altered(file, plan=plan | {"binary": names}))
    with pytest.raises(CheckpointError, match=r"checkpoint\.pth: .*other shapes"):
        load_checkpoint(altered(file, plan=plan | {"architecture": "0" * 16}))


def test_weights_of_another_architecture_name_the_first_difference(file, tiny_network):
    weights = tiny_network.state_dict()
    kernel = weights["neck.0.weight"]
    without = {key: value for key, value in weights.items() if key != "neck.0.weight"}
    for state, message in (
        (without, "lacks 'neck.0.weight'$"),
        (weights | {"neck.9.weight": kernel}, "has 'neck.9.weight', which the architecture lacks$"),
        (weights | {"neck.0.weight": kernel[:5]}, r"'neck.0.weight' is \(5, 32, 1, 1\), .* needs \(8, 32, 1, 1\)$"),
        (without | {"neck.9.weight": kernel}, r"lacks 'neck.0.weight' \(and 1 more differences\)$"),
    ):
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(altered(file, state_dict=state))


def test_a_published_siamfc_loads_with_and_without_counts_of_batches(tmp_path):
    published = randomized(build_network({"type": "siamfc"})).state_dict()
    old = {key: value for key, value in published.items() if not key.endswith("num_batches_tracked")}
    assert len(old) < len(published)
    for state in (published, old):
        torch.save(state, tmp_path / "siamfc.pth")
        network, stored = load_checkpoint(tmp_path / "siamfc.pth")
        assert stored.model == {"type": "siamfc"}
        loaded = network.state_dict()
        assert all(torch.equal(value, loaded[key]) for key, value in old.items())
