import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from datasets import cache_writer
from datasets.cache_lock import build_lock
from datasets.cache_writer import write
from datasets.cached_crops import CacheOptions
from datasets.errors import DataError
from datasets.lmdb_cache import LmdbCache, verify

pytest.importorskip("fcntl")
OPTIONS = CacheOptions()


def _hold(folder, held, release):
    with build_lock(folder):
        held.set()
        release.wait(30)
        os._exit(1)  # dies with the lock


@pytest.fixture
def builder(tmp_path):
    """Another process that holds the lock of `cache` until it is told to die."""
    spawn = multiprocessing.get_context("fork")
    held, release = spawn.Event(), spawn.Event()
    process = spawn.Process(target=_hold, args=(tmp_path / "cache", held, release))
    process.start()
    assert held.wait(30)
    yield release
    release.set()
    process.join(30)


def test_a_second_process_says_that_it_waits_and_goes_on_when_the_first_dies(tmp_path, builder):
    said = []

    def progress(label, done, total):
        said.append((label, done, total))
        builder.set()  # only a waiting process lets the other end

    with build_lock(tmp_path / "cache", progress):
        pass
    label = "waiting for the process that builds cache"
    assert said == [(label, 0, 1), (label, 1, 1)]


def test_other_caches_are_not_held_up(tmp_path, builder):
    with build_lock(tmp_path / "other", lambda *_: pytest.fail("waited")):
        pass


def test_two_writers_at_once_build_one_cache_once(tmp_path, marked, monkeypatch):
    sequences, encode, encoded = marked({"a": 3, "b": 3}), cache_writer.encode, []

    def counted(sequence, index, options):
        encoded.append((sequence.name, index))
        return encode(sequence, index, options)

    monkeypatch.setattr(cache_writer, "encode", counted)
    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write, sequences, tmp_path / "cache", OPTIONS, "marked") for _ in range(2)]
        for writer in writers:
            writer.result(60)
    assert len(encoded) == 6
    assert LmdbCache(tmp_path / "cache").names == ("a", "b")
    verify(tmp_path / "cache")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/\.cache\.lock: cannot be written"), build_lock(tmp_path / "file/cache"):
        pass
