"""Ranks as torchrun starts them; a rank here is a small script with its environment."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.ranks import Ranks, joined

ROOT = Path(__file__).resolve().parents[2]
GATHERS = """
from eval.ranks import joined
with joined() as ranks:
    print(sorted(ranks.gathered([f"of {ranks.number}", f"and {ranks.number}"])))
"""
DIES = """
import os
from datasets.errors import DataError
from eval.ranks import joined
with joined() as ranks:
    if ranks.number:
        os._exit(9)
    try:
        ranks.gathered([])
    except DataError as error:
        print(error)
"""


def outputs(script):
    """What each of two ranks prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2",
                           "PYTHONPATH": str(ROOT)}
    ranks = [subprocess.Popen([sys.executable, "-c", script], env=common | {"RANK": str(rank)}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) for rank in range(2)]
    return [rank.communicate(timeout=120)[0].strip() for rank in ranks]


@given(st.lists(st.integers(0, 1000)), st.integers(1, 9))
def test_every_item_is_one_ranks_and_no_rank_has_much_more_than_another(costs, count):
    shares = [Ranks(number, count).share(costs) for number in range(count)]
    assert sorted(item for share in shares for item in share) == list(range(len(costs)))
    loads = [sum(costs[item] for item in share) for share in shares]
    assert max(loads) - min(loads) <= max(costs, default=0)


def test_the_longest_are_dealt_first():
    assert [Ranks(number, 2).share([1, 9, 5, 3]) for number in range(2)] == [[1], [2, 3, 0]]


def test_a_process_that_torchrun_did_not_start_is_alone(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with joined() as ranks:
        assert (ranks.number, ranks.count) == (0, 1)
        assert ranks.gathered(["mine"]) == ["mine"]


@pytest.mark.skipif(sys.platform == "win32", reason="gloo over loopback")
def test_the_first_rank_gathers_what_all_found():
    assert outputs(GATHERS) == ["['and 0', 'and 1', 'of 0', 'of 1']", "['and 1', 'of 1']"]


def test_nobody_waits_for_a_rank_that_died():
    first, _ = outputs(DIES)
    assert first.startswith("another process of torchrun has died; what it finished is kept")
