import json
import threading

import pytest

from b2nn.errors import B2nnError
from b2nn.search.ledger import Ledger, Work, _alone

KEYS = [("a",), ("a", "b"), ("c",)]
SEARCH = {"strategy": "exhaustive", "seed": 0}


def counted(done):
    def work(key):
        done.append(key)
        return Work(len(key), 2, 1)
    return work


def passes(ledger):
    """Forward and backward passes that were done, and those that were reused."""
    costs = ledger.costs()
    return tuple((of["forward_passes"], of["backward_passes"]) for of in (costs, costs["reused"]))


def test_every_key_is_worked_out_once_and_costs_add_up():
    done, ledger = [], Ledger(None, SEARCH)
    assert ledger.values([*KEYS, ("a",)], counted(done)) == [1, 2, 1, 1]
    assert ledger.values(KEYS[1:], counted(done)) == [2, 1]
    assert done == KEYS
    assert passes(ledger) == ((6, 3), (0, 0))


@pytest.mark.parametrize("cut", range(0, 500, 7))
def test_a_file_cut_anywhere_keeps_its_whole_lines(tmp_path, cut):
    path = tmp_path / "state.jsonl"
    Ledger(path, SEARCH).values(KEYS, counted([]))
    content = path.read_bytes()
    path.write_bytes(content[:cut])
    again: list = []
    assert Ledger(path, SEARCH).values(KEYS, counted(again)) == [1, 2, 1]
    kept = max(0, content[:cut].count(b"\n") - 1)
    assert again == KEYS[kept:]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {"format": "b2nn.search/1", **SEARCH}
    assert [tuple(line["key"]) for line in lines[1:]] == KEYS


def test_a_file_of_another_search_is_refused_by_what_differs(tmp_path):
    Ledger(tmp_path / "state.jsonl", SEARCH)
    with pytest.raises(B2nnError, match=r"state.jsonl: holds a search with another strategy \('exhaustive', not 'x'\)"):
        Ledger(tmp_path / "state.jsonl", {**SEARCH, "strategy": "x"})
    (tmp_path / "notes.txt").write_text("no search")
    with pytest.raises(B2nnError, match=r"notes.txt: holds no search"):
        Ledger(tmp_path / "notes.txt", SEARCH)
    assert (tmp_path / "notes.txt").read_text() == "no search"


def test_budgets_share_a_file_and_each_accounts_for_its_own_work(tmp_path):
    path, done = tmp_path / "state.jsonl", []
    Ledger(path, SEARCH, 0.3).values(KEYS[:2], counted(done))
    second = Ledger(path, SEARCH, 0.5)
    assert second.values(KEYS[1:], counted(done)) == [2, 1] and done == KEYS
    assert passes(second) == ((2, 1), (2, 1))  # and nothing of the key that this budget did not ask for
    again = Ledger(path, SEARCH, 0.5)  # as after a kill
    again.values(KEYS[1:], counted(done))
    assert done == KEYS and passes(again) == passes(second)


def test_two_at_once_may_do_the_same_work_and_spoil_nothing(tmp_path):
    path = tmp_path / "state.jsonl"
    ledgers = [Ledger(path, SEARCH, budget) for budget in (0.3, 0.5)]
    for key in KEYS:
        for ledger in ledgers:
            ledger.values([key], counted([]))
    assert len(path.read_text().splitlines()) == 1 + 2 * len(KEYS)
    for ledger, budget in zip(ledgers, (0.3, 0.5), strict=True):
        reopened = Ledger(path, SEARCH, budget)
        assert reopened.values(KEYS, counted([])) == [1, 2, 1]
        assert passes(reopened) == passes(ledger) == ((6, 3), (0, 0))


def test_what_a_killed_process_left_of_a_line_does_not_spoil_the_next_one(tmp_path):
    path = tmp_path / "state.jsonl"
    ledger = Ledger(path, SEARCH, 0.3)
    with path.open("a") as file:
        file.write('{"key": ["a"], "val')
    ledger.values(KEYS, counted([]))
    done: list = []
    assert Ledger(path, SEARCH, 0.5).values(KEYS, counted(done)) == [1, 2, 1] and not done


def test_nobody_writes_while_another_does(tmp_path):
    path = tmp_path / "state.jsonl"
    ledger, started, done = Ledger(path, SEARCH), threading.Event(), threading.Event()

    def write():
        started.set()
        ledger.values(KEYS, counted([]))
        done.set()

    with _alone(path):
        writer = threading.Thread(target=write)
        writer.start()
        assert started.wait(5) and not done.wait(0.2)
    writer.join(5)
    assert done.is_set() and len(path.read_text().splitlines()) == 1 + len(KEYS)


def test_an_error_keeps_what_was_done_before(tmp_path):
    def work(key):
        if key == ("c",):
            raise B2nnError("broken")
        return Work(1, 0, 0)

    with pytest.raises(B2nnError, match="broken"):
        Ledger(tmp_path / "state.jsonl", SEARCH).values(KEYS, work)
    again: list = []
    Ledger(tmp_path / "state.jsonl", SEARCH).values(KEYS, counted(again))
    assert again == [("c",)]
