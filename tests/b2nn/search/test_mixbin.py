"""MixBin's own loop; what it shares with the other strategies is in test_strategies.py."""

import dataclasses

import pytest
import torch

from b2nn.search.mixbin import Options, search
from tests.b2nn.search.conftest import planted

WEIGHTS = (0.02, 1, 0.02, 1, 0.02, 0.02)


@pytest.mark.parametrize("budget_by, steps, spare", [
    ("threshold", 60, 0.01), ("threshold", 60, 0.1),  # 0.1 is most of a unit's cost, but not enough for one
    ("penalty", 120, 0.01),
])
def test_the_gates_end_crisp_and_their_ratio_is_the_counted_one(budget_by, steps, spare):
    problem = planted(WEIGHTS)
    wanted = ("convs.1", "convs.3")
    plan, trace = search(problem, problem.table.ratio(wanted) + spare, 0, Options(steps=steps, budget_by=budget_by))
    assert plan.full == wanted
    final = trace["steps"][-1]
    gates = dict(zip(trace["units"], final["gates"], strict=True))
    assert all((gates[name] > 0.9) == (name in wanted) for name in gates)
    assert abs(final["ratio"] - plan.ratio) < 0.02


def test_a_search_whose_gates_have_decided_is_over():
    problem = planted(WEIGHTS)
    budget = problem.table.ratio(("convs.1", "convs.3")) + 0.01
    eager, straight = (search(problem, budget, 0, Options(steps=60, crisp=crisp)) for crisp in (0.05, 0.0))
    assert eager[0] == straight[0]
    assert straight[1]["crisp_at"] is None and straight[1]["steps"][-1]["step"] == 59
    assert 30 <= eager[1]["crisp_at"] < 59
    assert eager[1]["crisp_at"] == eager[1]["steps"][-1]["step"] == eager[1]["forward_passes"] - 1


def test_the_state_is_written_whole_and_again_and_again(tmp_path, monkeypatch):
    problem, saved = planted((1, 0.02), batches=3, size=6), []
    save = torch.save

    def note(content, path):
        saved.append((content["done"], path))
        save(content, path)

    monkeypatch.setattr(torch, "save", note)
    search(problem, 0.6, 0, Options(steps=10, save_every=4), tmp_path / "folder" / "state.pt")
    assert [done for done, _ in saved] == [4, 8]
    assert all(path != tmp_path / "folder" / "state.pt" for _, path in saved)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["state.pt"]


def test_a_search_that_goes_on_draws_the_same_random_numbers(tmp_path):
    problem = planted((1, 0.02), batches=3, size=6)
    calls: list = []

    def noisy(model, batch):  # as with dropout
        calls.append(batch)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return problem.loss(model, (batch[0] + torch.rand(()), batch[1]))

    problem_with_noise = dataclasses.replace(problem, loss=noisy)
    options = Options(steps=10, save_every=4)
    with pytest.raises(KeyboardInterrupt):
        search(problem_with_noise, 0.6, 0, options, tmp_path / "state.pt")
    resumed = search(problem_with_noise, 0.6, 0, options, tmp_path / "state.pt")
    straight = search(problem_with_noise, 0.6, 0, options)
    assert resumed[1]["steps"] == straight[1]["steps"]
