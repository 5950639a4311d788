import json
import multiprocessing
import pickle
import shutil
from dataclasses import replace

import lmdb
import numpy as np
import pytest

from datasets.errors import DataError
from datasets.images import read
from datasets.lmdb_cache import CacheOptions, LmdbCache, is_complete, verify, write

OPTIONS = CacheOptions()


@pytest.fixture
def sequences(marked):
    made = marked({"walk": 5, "still": 1})
    hidden = replace(made[0], visible=np.array([True, True, False, True, False]))
    return [hidden, made[1]]


@pytest.fixture
def folder(tmp_path, sequences):
    write(sequences, tmp_path / "cache", OPTIONS, "marked")
    return tmp_path / "cache"


def flip_a_byte(folder, key):
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        record = bytearray(transaction.get(key))
        record[len(record) // 2] ^= 255
        transaction.put(key, bytes(record))


def test_what_was_written_is_read(folder, sequences):
    cache = LmdbCache(folder)
    assert cache.names == ("walk", "still")
    assert [cache.frame_count(name) for name in cache.names] == [5, 1]
    for sequence in sequences:
        np.testing.assert_array_equal(cache.boxes(sequence.name), sequence.boxes)
        np.testing.assert_array_equal(cache.visible(sequence.name), sequence.visible)


def test_crops_are_parts_of_the_frames(folder, sequences):
    cache, sequence = LmdbCache(folder), sequences[0]
    for index in range(5):
        stored, frame = cache.crop("walk", index), read(sequence.frames[index])
        height, width = stored.image.shape[:2]
        left, top = int(stored.left), int(stored.top)
        assert stored.scale == 1.0
        part = frame[top:top + height, left:left + width].astype(int)
        assert np.abs(stored.image - part).mean() < 10  # JPEG of noise
        np.testing.assert_allclose(stored.fill, frame.mean(axis=(0, 1)), atol=1e-6)


def test_absent_frames_are_stored_around_the_last_visible_box(folder, sequences):
    stored = LmdbCache(folder).crop("walk", 4)
    x, y, width, height = sequences[0].boxes[3]
    assert stored.left <= x and stored.top <= y
    assert stored.left + stored.image.shape[1] >= x + width
    assert stored.top + stored.image.shape[0] >= y + height


def _mean(cache, name):
    return float(cache.crop(name, 0).image.mean())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_survives_other_processes(folder, method):
    cache = LmdbCache(folder)
    here = _mean(cache, "walk")  # the environment is open when the workers start
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.starmap(_mean, [(cache, "walk")] * 4) == [here] * 4
    assert _mean(cache, "walk") == here


def test_pickles_small_and_reads_after(folder):
    cache = LmdbCache(folder)
    cache.crop("walk", 0)
    assert _mean(pickle.loads(pickle.dumps(cache)), "still") == _mean(cache, "still")


def test_two_readers_in_one_process(folder):
    first, second = LmdbCache(folder), LmdbCache(folder)
    assert _mean(first, "walk") == _mean(second, "walk")


def test_rebuilt_cache_is_not_mistaken_for_the_old_one(folder, marked):
    old = LmdbCache(folder)
    _mean(old, "walk")
    shutil.rmtree(folder)
    write(marked({"other": 2}, dataset="other"), folder, OPTIONS, "other")
    assert _mean(LmdbCache(folder), "other") > 0


def test_is_complete_only_for_the_same_source_and_options(folder, tmp_path):
    assert is_complete(folder, "marked", OPTIONS)
    assert not is_complete(folder, "other", OPTIONS)
    assert not is_complete(folder, "marked", CacheOptions(mode="frame"))
    assert not is_complete(tmp_path / "nothing", "marked", OPTIONS)


def test_verify_names_the_damaged_sequence(folder):
    verify(folder)
    flip_a_byte(folder, b"walk/00000003")
    with pytest.raises(DataError, match="records of walk are damaged"):
        verify(folder)


def test_damaged_jpeg_is_named_by_sequence_and_frame(folder):
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"walk/00000003", b"\xff\xd8 half a picture")
    with pytest.raises(DataError, match="walk, frame 3: truncated"):
        LmdbCache(folder).crop("walk", 3)


def test_missing_record_is_named(folder):
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        transaction.delete(b"still/boxes")
    with pytest.raises(DataError, match="record still/boxes is missing"):
        LmdbCache(folder).boxes("still")


def test_no_cache_and_no_database(folder, tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no cache here.*make_lmdb"):
        LmdbCache(tmp_path / "nowhere")
    (folder / "data.mdb").unlink()
    with pytest.raises(DataError, match=r"lacks data\.mdb"):
        LmdbCache(folder)


@pytest.mark.parametrize(("change", "message"), [
    ({"format": "b2track.cache/0"}, r"format 'b2track\.cache/0', expected"),
    ({"complete": False}, "not marked complete"),
    ({"options": {"colour": 1}}, "damaged manifest"),
    ({"sequences": None}, "damaged manifest"),
])
def test_foreign_manifest_is_refused(folder, change, message):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=message):
        LmdbCache(folder)
    assert not is_complete(folder, "marked", OPTIONS)


def test_broken_manifest_is_refused(folder):
    (folder / "manifest.json").write_text('{"format": ')
    with pytest.raises(DataError, match=r"manifest\.json: damaged manifest"):
        LmdbCache(folder)
