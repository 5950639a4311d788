"""The recipe at work in the trainer and in a phase: what the loss holds, and that a killed phase ends the same."""

from __future__ import annotations

import copy
import shutil

import pytest
import torch
from mmengine.hooks import Hook

from b2nn.convert import binarize, latent_weights
from b2nn.layers import BinaryUnit
from b2nn.plan import all_binary
from b2nn.recipe import Recipe
from b2nn.regularizers import kurtosis_loss
from datasets.pairs import PairDataset
from tests.tracker.conftest import QUICK, TINY, config
from tracker.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tracker.config import load_config
from tracker.errors import TrackerError
from tracker.losses import Distillation
from tracker.models import build_network, cost_table
from tracker.training import fitting, plan_search
from tracker.training.loop import pair_loader
from tracker.training.module import PairTrainer, outputs_of, parameter_groups
from tracker.training.phase import PhaseSettings, newest_checkpoint, run_phase
from tracker.training.pipeline import Job, check, train

NANO = dict(type="nanotrack", version=2, channels=16, depth=1)
NETWORKS = {"siamese": TINY, "nanotrack": NANO, "siamfc": dict(type="siamfc"),
            "nanotrack's head": {**NANO, "backbone": TINY["backbone"], "tower": "plain"}}


def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    template, search = (torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8, generator=generator)
                        for size in (127, 255))
    return dict(template=template, search=search, box=torch.tensor([[90.0, 90, 160, 160]] * 2),
                positive=torch.tensor([1.0, 0]))


def binary_network(recipe: Recipe, model: dict = TINY):
    torch.manual_seed(0)
    network = build_network(model)
    return binarize(network, all_binary(cost_table(network)), recipe=recipe)


def test_no_weight_decay_on_latent_weights_nor_on_what_the_recipe_adds():
    for scale in ("learned", "adabin"):
        network = binary_network(Recipe(scale=scale))
        groups = parameter_groups(PairTrainer(network), 1e-3, 1e-4)
        decayed = {id(parameter) for group in groups if group["weight_decay"] for parameter in group["params"]}
        assert decayed and latent_weights(network)
        added = [parameter for name, parameter in network.named_parameters()
                 if name.endswith((".scale", ".distance", ".shift"))]
        assert not decayed & {id(parameter) for parameter in (*latent_weights(network), *added)}


def test_the_loss_holds_kurtosis_at_its_weight_where_the_recipe_asks():
    network = binary_network(Recipe())
    assert "loss_kurtosis" not in PairTrainer(network)(**batch())
    losses = PairTrainer(network, recipe=Recipe(kurtosis=0.5, kurtosis_target=2.0))(**batch())
    assert losses["loss_kurtosis"].item() == pytest.approx(0.5 * kurtosis_loss(network, 2.0).item())


@pytest.mark.parametrize("name", NETWORKS)
def test_maps_of_every_backbones_stages_are_met(name):
    torch.manual_seed(0)
    teacher = build_network(NETWORKS[name])
    student = copy.deepcopy(teacher).eval()
    trainer = PairTrainer(student, teacher=teacher, distillation=Distillation(blocks=2.0)).eval()
    assert trainer(**batch())["loss_blocks"].item() == pytest.approx(0, abs=1e-6)
    first = student.backbone.get_submodule(student.backbone.stages[0])
    with torch.no_grad():
        next(parameter for parameter in first.parameters() if parameter.ndim > 1).neg_()
    error = trainer(**batch())["loss_blocks"]
    assert error.item() > 1e-3
    error.backward()
    assert any(parameter.grad is not None for parameter in first.parameters())
    assert not any(module._forward_hooks for module in (*student.modules(), *teacher.modules()))


def test_stages_are_not_looked_at_where_their_weight_is_zero():
    teacher = build_network(TINY)
    trainer = PairTrainer(build_network(TINY), teacher=teacher, distillation=Distillation())
    assert "loss_blocks" not in trainer(**batch())


def test_blocks_of_networks_with_other_channels_are_refused_by_field(tmp_path):
    blocks = {"model": TINY, "finetune.distillation.blocks": 1.0}
    check(Job(load_config("demo", blocks), ("mixbin",), (0.5,)))
    with pytest.raises(TrackerError, match=r"finetune\.distillation\.blocks is 1\.0; .* --method pruned"):
        check(Job(load_config("demo", blocks), ("pruned",), (0.5,)))
    save_checkpoint(tmp_path / "v2.pth", build_network(dict(type="nanotrack")), Checkpoint(dict(type="nanotrack")))
    taught = {"model": NETWORKS["nanotrack's head"], "fp.distillation.blocks": 1.0}
    with pytest.raises(TrackerError, match=r"fp\.distillation\.blocks is 1\.0; .* --teacher nanotrack_v2"):
        check(Job(load_config("nano", taught), ("mixbin",), (0.5,), teacher=("nanotrack_v2", tmp_path / "v2.pth")))


def test_outputs_come_in_the_order_of_execution_and_hooks_go_also_after_an_error():
    model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh())
    with outputs_of(model, ("1", "0")) as outputs:
        model(torch.tensor([-1.0, 1.0]))
    assert [output.tolist() for output in outputs] == [[0, 1], [0, pytest.approx(0.7616, abs=1e-4)]]
    with pytest.raises(RuntimeError), outputs_of(model, ("0",)):
        raise RuntimeError
    assert not model[0]._forward_hooks


class Killer(Hook):
    """Ends the process's training after an iteration, as a signal would."""

    def __init__(self, after: int) -> None:
        self.after = after

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if batch_idx + 1 == self.after:
            raise KeyboardInterrupt


RECIPE = Recipe(estimator="ede", scale="learned", kurtosis=0.1, real_weights=0.5)


def finetuned(caches, folder, monkeypatch, kill=None) -> PairTrainer:
    trainer = PairTrainer(binary_network(RECIPE), recipe=RECIPE)
    settings = load_config("demo", {"runtime.checkpoint_interval": 2, "runtime.log_interval": 1})
    with monkeypatch.context() as patch:
        if kill:
            patch.setattr("tracker.training.phase.LatentWeightHook", lambda network: Killer(kill))
        try:
            run_phase(trainer, PhaseSettings(8, 1e-2, 1e-4, ema=0.5), pair_loader(PairDataset(caches, 16, 0), 8, 2, 0),
                      folder, "finetune", settings.runtime, 0, torch.device("cpu"))
        except KeyboardInterrupt:
            assert kill
    return trainer


def binary_layers(trainer) -> list[BinaryUnit]:
    return [module for module in trainer.network.modules() if isinstance(module, BinaryUnit)]


def test_two_steps_end_binary_wherever_the_phase_was_killed(caches, tmp_path, monkeypatch):
    torch.set_num_threads(1)
    straight = finetuned(caches, tmp_path / "straight", monkeypatch)
    for layer in binary_layers(straight):
        assert layer.progress == 1.0 and layer.kernel().unique().tolist() == [-1, 1]
    for kill, checkpoint in ((3, "iter_2.pth"), (5, "iter_4.pth")):  # the first in step one
        folder = tmp_path / f"killed-{kill}"
        killed = finetuned(caches, folder, monkeypatch, kill)
        assert newest_checkpoint(folder).name == checkpoint
        assert (len(binary_layers(killed)[0].kernel().unique()) > 2) == (kill == 3)
        resumed = finetuned(caches, folder, monkeypatch).state_dict()
        assert all(torch.equal(value, resumed[key]) for key, value in straight.state_dict().items())


def test_batchnorm_is_estimated_from_as_many_batches_as_asked_and_decay_reaches_the_optimizer(
        folder, caches, monkeypatch):
    estimated, settings = [], []
    estimate, phase = fitting.reestimate_batchnorm, fitting.run_phase
    monkeypatch.setattr(fitting, "reestimate_batchnorm", lambda network, batches, forward: (
        estimated.append(len(batches)), estimate(network, batches, forward)))
    monkeypatch.setattr(fitting, "run_phase", lambda trainer, wanted, *rest: (
        settings.append(wanted), phase(trainer, wanted, *rest))[1])
    for count in (None, 2, 0):
        overrides = {"finetune.batchnorm_batches": count, "finetune.latent_decay": 0.5}
        train(Job(config(**QUICK, **overrides), ("bnn",), (), folder, caches))
        shutil.rmtree(folder / "bnn")
    assert estimated == [1, 2]  # what no section sets is one batch in these tests
    assert [one.latent_decay for one in settings] == [0.5] * 3


@pytest.mark.parametrize(("field", "value", "allowed"), [
    ("latent_decay", -1e-4, "at least 0"), ("batchnorm_batches", -1, "at least 0 or None"),
    ("batchnorm_batches", 1.5, "an integer or None")])
def test_switches_of_the_finetuning_are_checked(field, value, allowed):
    with pytest.raises(TrackerError, match=rf"finetune\.{field} is {value}; it must be {allowed}"):
        check(Job(config(**{f"finetune.{field}": value}), ("bnn",)))


def test_one_recipe_is_the_searchs_and_the_finetunings_and_goes_into_the_checkpoint(caches, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "BATCHNORM_BATCHES", 1)
    opened = []
    relaxation = plan_search.mixbin.Relaxation

    def opening(network, *args):
        opened.append(network)
        result = relaxation(network, *args)
        opened.append([module.recipe for module in network.modules() if isinstance(module, BinaryUnit)])
        return result

    monkeypatch.setattr(plan_search.mixbin, "Relaxation", opening)
    settings = load_config("demo", {
        "model": TINY, "data.batch_size": 2, "data.workers": 0, "fp.iterations": 1, "search.iterations": 2,
        "finetune.iterations": 1, "runtime.precision": "float32", "finetune.recipe": dict(scale="adabin")})
    _, mixbin = train(Job(settings, ("mixbin",), (0.5,), tmp_path, caches))
    assert opened[1] and set(opened[1]) == {Recipe(scale="adabin")}
    network, stored = load_checkpoint(mixbin / "checkpoint.pth")
    assert stored.recipe == Recipe(scale="adabin")
    layers = [module for module in network.modules() if isinstance(module, BinaryUnit)]
    assert layers and all(layer.distance is not None for layer in layers)
