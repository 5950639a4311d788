"""Training phases on a tiny generated set: what they leave, and that a killed run ends as a straight one."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import hypothesis
import pytest
import torch
from hypothesis import strategies
from mmengine.hooks import Hook

from b2nn.convert import binarize, latent_weights
from b2nn.errors import BudgetError, PlanError
from b2nn.plan import make_plan
from b2nn.search.relaxation import Relaxation
from datasets.pairs import PairDataset
from tests.tracker.conftest import TINY, config
from tracker.checkpoint import load_checkpoint
from tracker.config import load_config
from tracker.errors import TrackerError
from tracker.models import build_network, cost_table
from tracker.runs import find_runs
from tracker.training import fitting
from tracker.training.fitting import compile_parts
from tracker.training.loop import ForwardSampler, pair_loader
from tracker.training.module import PairTrainer, parameter_groups
from tracker.training.phase import PhaseSettings, averaging_momentum, newest_checkpoint, run_phase
from tracker.training.pipeline import Job, check, train
from tracker.training.runs import FP_SECTIONS, RunFolder


@pytest.fixture(scope="module")
def trained(caches, tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    fitting.BATCHNORM_BATCHES, before = 2, fitting.BATCHNORM_BATCHES
    folder = tmp_path_factory.mktemp("runs")
    train(Job(config(), ("mixbin", "random", "pruned", "bnn"), (0.5,), folder, caches))
    fitting.BATCHNORM_BATCHES = before
    return folder


def test_every_run_holds_config_plan_checkpoint_log_and_summary(trained):
    for name in ("fp", "mixbin-0.5", "random-0.5", "pruned-0.5", "bnn"):
        for file in ("config.py", "plan.json", "checkpoint.pth", "log.txt", "summary.json"):
            assert (trained / name / file).is_file(), f"{name}/{file}"
    assert (trained / "mixbin-0.5" / "search" / "trace.json").is_file()
    assert [run.name for run in find_runs(trained)] == ["bnn", "fp", "mixbin-0.5", "pruned-0.5", "random-0.5"]


def test_summaries_keep_the_budget_and_count_bits(trained):
    summaries = {run.name: run.summary for run in find_runs(trained)}
    assert summaries["fp"]["flops_ratio"] == 1 and summaries["fp"]["params_1bit"] == 0
    for name in ("mixbin-0.5", "random-0.5", "pruned-0.5"):
        assert summaries[name]["flops_ratio"] <= 0.5
    assert summaries["mixbin-0.5"]["params_1bit"] > 0
    assert summaries["pruned-0.5"]["params_1bit"] == 0
    assert summaries["pruned-0.5"]["params_32bit"] < summaries["fp"]["params_32bit"]
    assert summaries["bnn"]["flops_ratio"] == pytest.approx(summaries["fp"]["floor"])


def test_checkpoints_rebuild_their_network_and_agree_with_their_summary(trained):
    for run in find_runs(trained):
        torch.load(run.checkpoint, weights_only=True)
        network, stored = load_checkpoint(run.checkpoint)
        outputs = network(network.embed(torch.zeros(1, 3, 127, 127)), torch.zeros(1, 3, 255, 255))
        assert all(torch.isfinite(output).all() for output in outputs)
        if stored.plan:
            fresh = cost_table(build_network(stored.model))
            assert fresh.ratio(stored.plan.full) == pytest.approx(run.summary["flops_ratio"])


def test_a_finished_run_is_reused_and_a_different_configuration_is_refused(trained, caches):
    before = (trained / "fp" / "checkpoint.pth").stat().st_mtime_ns
    train(Job(config(), ("fp",), (), trained, caches))
    assert (trained / "fp" / "checkpoint.pth").stat().st_mtime_ns == before
    train(Job(config(**{"finetune.lr": 0.5}), ("fp",), (), trained, caches))  # of no concern to this run
    with pytest.raises(TrackerError, match=r"fp.lr .*another --work-dir"):
        train(Job(config(**{"fp.lr": 0.5}), ("fp",), (), trained, caches))


def test_siamfc_trains_by_every_method(caches, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "BATCHNORM_BATCHES", 1)
    settings = load_config("siamfc", {
        "data.batch_size": 2, "data.workers": 0, "fp.iterations": 1, "search.iterations": 2, "finetune.iterations": 1,
        "runtime.precision": "float32"})
    check(Job(settings, ("mixbin", "pruned"), (0.4,)))
    train(Job(settings, ("mixbin", "pruned"), (0.4,), tmp_path, caches))
    for run in find_runs(tmp_path):
        assert run.summary["flops_ratio"] <= (1 if run.name == "fp" else 0.4)
        network, _ = load_checkpoint(run.checkpoint)
        assert network(network.embed(torch.zeros(1, 3, 127, 127)), torch.zeros(3, 3, 255, 255)).shape == (3, 17, 17)


class Killer(Hook):
    """Ends the process's training after an iteration, as a signal would."""

    def __init__(self, after: int) -> None:
        self.after = after

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if batch_idx + 1 == self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("killed_after", [3, 5])
def test_a_killed_phase_ends_as_a_straight_one(caches, tmp_path, monkeypatch, killed_after):
    settings = config()

    def trained_weights(folder, kill=None):
        torch.manual_seed(0)
        trainer = PairTrainer(build_network(TINY))
        dataset = PairDataset(caches, 16, 0)
        loader = pair_loader(dataset, 8, 2, 0)
        if kill:
            monkeypatch.setattr("tracker.training.phase.LatentWeightHook", lambda network: Killer(kill))
        try:
            run_phase(trainer, PhaseSettings(8, 1e-2, 1e-4, ema=0.5), loader, folder, "fp", settings.runtime, 0,
                      torch.device("cpu"))
        except KeyboardInterrupt:
            assert kill
        finally:
            monkeypatch.undo()
        return trainer.state_dict()

    straight = trained_weights(tmp_path / "straight")
    trained_weights(tmp_path / "killed", kill=killed_after)
    assert newest_checkpoint(tmp_path / "killed").name == f"iter_{killed_after // 2 * 2}.pth"
    resumed = trained_weights(tmp_path / "killed")
    assert all(torch.equal(value, resumed[key]) for key, value in straight.items())


def test_a_killed_search_finds_the_plan_of_a_straight_one(trained, caches, tmp_path, monkeypatch):
    shutil.copytree(trained / "fp", tmp_path / "fp")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("tracker.training.phase.LatentWeightHook", lambda network: Killer(3))
        train(Job(config(), ("mixbin",), (0.5,), tmp_path, caches))
    folder = tmp_path / "mixbin-0.5" / "search"
    assert list(folder.glob("iter_*.pth")) and not (folder / "plan.json").exists()
    train(Job(config(), ("mixbin",), (0.5,), tmp_path, caches, resume=True))
    straight = trained / "mixbin-0.5" / "search"
    assert (folder / "plan.json").read_text() == (straight / "plan.json").read_text()
    traces = [json.loads((path / "trace.json").read_text()) for path in (folder, straight)]
    assert traces[0]["steps"] == traces[1]["steps"]


def test_half_a_checkpoint_is_passed_over(tmp_path):
    torch.save({"whole": 1}, tmp_path / "iter_2.pth")
    whole = (tmp_path / "iter_2.pth").read_bytes()
    (tmp_path / "iter_10.pth").write_bytes(whole[: len(whole) // 2])
    assert newest_checkpoint(tmp_path).name == "iter_2.pth"
    assert newest_checkpoint(tmp_path / "empty") is None


def test_an_unfinished_run_is_not_touched_without_resume(caches, tmp_path):
    folder = RunFolder(tmp_path / "fp", FP_SECTIONS)
    assert not folder.claim(config(), resume=False)
    with pytest.raises(TrackerError, match="--resume"):
        train(Job(config(), ("fp",), (), tmp_path, caches))


def test_sampler_gives_every_iteration_its_own_indices_wherever_it_starts():
    sampler = ForwardSampler(iterations=3, batch_size=2)
    assert list(sampler) == [0, 1, 2, 3, 4, 5]
    sampler.start = 2
    assert list(sampler) == [4, 5]


def test_no_weight_decay_on_latent_weights_norms_and_gates():
    network = build_network(TINY)
    table = cost_table(network)
    relaxation = Relaxation(network, table, 0.5)
    groups = parameter_groups(PairTrainer(network, relaxation=relaxation), 1e-3, 1e-4, 1e-2)
    decayed = {id(parameter) for parameter in groups[0]["params"]}
    assert all(id(weight) not in decayed for weight in relaxation.latent_weights())
    assert [group["weight_decay"] for group in groups] == [1e-4, 0, 0]
    assert groups[2]["params"] == [relaxation.psi]


def test_real_kernels_have_a_learning_rate_of_their_own_and_latent_weights_a_decay():
    network = build_network(TINY)
    table = cost_table(network)
    full = [unit.name for unit in table.eligible[:2]]
    binarize(network, make_plan(table, full, None, "x", 0), table)
    latent = {id(weight) for weight in latent_weights(network)}
    assert len(latent) == len(table.eligible) - 2
    for decay in (0.0, 1e-2):
        groups = parameter_groups(PairTrainer(network), 5e-3, 1e-4, kernel_lr=1e-3, latent_decay=decay)
        own = {id(parameter): (group["lr"], group["weight_decay"])
               for group in groups for parameter in group["params"]}
        for parameter in network.parameters():
            assert own[id(parameter)] == ((5e-3, decay) if id(parameter) in latent
                                          else (1e-3, 1e-4) if parameter.ndim > 1 else (5e-3, 0))


def test_compiled_parts_compute_the_same_and_their_copies_are_not_compiled():
    network = build_network(TINY).eval()
    crops = torch.randint(0, 256, (2, 3, 127, 127)).float()
    expected = network.features(crops)
    compile_parts(network)
    assert all(part._compiled_call_impl is not None for part in network.children())
    assert all(part._compiled_call_impl is None for part in copy.deepcopy(network).children())
    with torch.compiler.set_stance("force_eager"):  # what a compiler makes of it is torch's matter
        torch.testing.assert_close(network.features(crops), expected)


def test_compiling_without_a_compiler_is_refused_before_anything_runs(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(TrackerError, match=r"runtime\.compile .* no C\+\+ compiler"):
        check(Job(config(**{"runtime.compile": True}), ("fp",)))


@pytest.mark.parametrize(("budget", "message"), [(0.0, "0"), (-1.0, "-1"), (1.5, "1.5"), (0.001, "floor")])
def test_infeasible_budgets_are_refused_before_anything_runs(budget, message):
    with pytest.raises(BudgetError, match=message):
        check(Job(config(), ("mixbin",), (0.5, budget)))


def test_methods_that_need_a_budget_ask_for_one():
    with pytest.raises(TrackerError, match="--budget"):
        check(Job(config(), ("random",)))


def test_a_plan_of_another_network_is_refused_by_layer(trained, tmp_path):
    plan = json.loads((trained / "random-0.5" / "plan.json").read_text())
    plan["binary"][0] = "backbone.layer9.conv"
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(PlanError, match=r"backbone\.layer9\.conv"):
        check(Job(config(), ("mixbin",), (0.5,), plan=tmp_path / "plan.json"))


def test_a_plan_over_the_budget_or_without_use_is_refused(trained):
    plan = trained / "mixbin-0.5" / "plan.json"
    with pytest.raises(TrackerError, match=r"over --budget 0\.2"):
        check(Job(config(), ("mixbin",), (0.2,), plan=plan))
    with pytest.raises(TrackerError, match="not random"):
        check(Job(config(), ("random",), (0.5,), plan=plan))


def test_a_budget_that_pruning_cannot_reach_is_refused_before_the_others_train():
    check(Job(config(), ("mixbin",), (0.5, 0.22)))
    with pytest.raises(BudgetError):
        check(Job(config(), ("mixbin", "pruned"), (0.5, 0.22)))


@hypothesis.given(strategies.integers(1, 10_000), strategies.floats(0.5, 0.9999))
def test_averaged_weights_keep_nothing_of_a_phases_start(iterations, ema):
    momentum = averaging_momentum(PhaseSettings(iterations, 1e-3, 0.0, ema=ema))
    assert (1 - momentum) ** iterations < 0.0025
    assert momentum >= 1 - ema


def test_without_averaging_the_last_weights_are_returned():
    assert averaging_momentum(PhaseSettings(1000, 1e-3, 0.0)) == 1
