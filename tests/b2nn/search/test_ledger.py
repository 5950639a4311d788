import json

import pytest

from b2nn.errors import B2nnError
from b2nn.search.ledger import Ledger, Work

KEYS = [("a",), ("a", "b"), ("c",)]
SEARCH = {"strategy": "exhaustive", "seed": 0}


def counted(done):
    def work(key):
        done.append(key)
        return Work(len(key), 2, 1)
    return work


def test_every_key_is_worked_out_once_and_costs_add_up():
    done, ledger = [], Ledger(None, SEARCH)
    assert ledger.values([*KEYS, ("a",)], counted(done)) == [1, 2, 1, 1]
    assert ledger.values(KEYS[1:], counted(done)) == [2, 1]
    assert done == KEYS
    assert {**ledger.costs(), "seconds": 0} == {"forward_passes": 6, "backward_passes": 3, "seconds": 0}


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
