from dataclasses import replace

import numpy as np
import pytest
from stand_ins import truth

from datasets.errors import DataError
from eval import results


@pytest.fixture
def meta():
    return results.describe("checkpoint.pth", "hash", "walk", "/data", origin=1, device="cpu", threads=1)


@pytest.fixture
def folder(tmp_path, sequences, meta):
    """Results of the first sequence."""
    folder = tmp_path / "out" / "static"
    results.prepare(folder, meta)
    results.write_track(folder, sequences[0], sequences[0].boxes, np.array([0.1, 0.2, 0.3, 0.4]), origin=1)
    return folder


def test_files_are_in_the_benchmarks_base_and_read_back_0_based(folder, sequences):
    assert (folder / "slow.txt").read_text().splitlines()[0] == "6.0000,9.0000,12.0000,10.0000"
    assert results.read_track(folder, sequences[0], origin=1) == pytest.approx(truth(4, step=1))
    assert results.read_times(folder, sequences[0]) == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert not list(folder.glob("*.tmp"))


def test_only_whole_results_of_the_same_sequence_count_as_done(folder, sequences):
    boxes, times = folder / "slow.txt", folder / "slow_time.txt"
    assert results.is_done(folder, sequences[0], origin=1)
    assert not results.is_done(folder, sequences[1], origin=1)
    moved = replace(sequences[0], boxes=sequences[0].boxes + 1)
    assert not results.is_done(folder, moved, origin=1)
    whole = boxes.read_text()
    for damaged in (whole[:-20], "6,9,12\n" * 4, ""):
        boxes.write_text(damaged)
        assert not results.is_done(folder, sequences[0], origin=1)
    boxes.write_text(whole)
    times.unlink()
    assert not results.is_done(folder, sequences[0], origin=1)


def test_results_of_the_same_checkpoint_are_kept(folder, meta):
    results.prepare(folder, replace(meta, host="elsewhere", checkpoint="copy.pth"))
    assert (folder / "slow.txt").exists()


def test_results_of_another_checkpoint_are_removed_and_nothing_else(folder, meta):
    (folder / "notes.txt").write_text("mine")
    (folder / "other_tracker").mkdir()
    results.prepare(folder, replace(meta, sha256="0" * 64, threads=2))
    assert sorted(path.name for path in folder.iterdir()) == ["meta.json", "notes.txt", "other_tracker"]


def test_results_without_a_readable_meta_are_removed(folder, meta):
    (folder / "meta.json").write_text("{")
    results.prepare(folder, meta)
    assert not (folder / "slow.txt").exists()


@pytest.mark.parametrize(("option", "value"), [("threads", 2), ("device", "cuda"), ("dataset", "run")])
def test_results_made_otherwise_are_neither_mixed_nor_lost(folder, meta, option, value):
    with pytest.raises(DataError, match=f"{option} .*not {value}.*--overwrite"):
        results.prepare(folder, replace(meta, **{option: value}))
    assert (folder / "slow.txt").exists()
    results.prepare(folder, replace(meta, **{option: value}), overwrite=True)
    assert not (folder / "slow.txt").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path, meta):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file/static: results cannot be written here"):
        results.prepare(tmp_path / "file" / "static", meta)


def test_only_the_owner_writes_into_a_folder(folder, meta):
    results.require_owner(folder, meta.sha256)
    with pytest.raises(DataError, match="taken by another evaluation"):
        results.require_owner(folder, "0" * 64)
