import json
from dataclasses import replace

import lmdb
import numpy as np
import pytest

from datasets import cache_writer
from datasets.cache_writer import write
from datasets.cached_crops import CacheOptions
from datasets.errors import DataError
from datasets.lmdb_cache import LmdbCache, verify

OPTIONS = CacheOptions()
COUNTS = {f"s{number}": 3 for number in range(6)}


def content(folder):
    with lmdb.open(str(folder), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return dict(transaction.cursor())


@pytest.fixture
def whole(tmp_path, marked):
    """Content of the cache that is written without interruption."""
    write(marked(COUNTS), tmp_path / "whole", OPTIONS, "marked")
    return content(tmp_path / "whole")


@pytest.fixture
def interrupted(tmp_path, marked, monkeypatch):
    """A cache whose writer died in the fourth of six sequences; each one before it was committed."""
    encode, done = cache_writer.encode, []

    def dying(sequence, index, options):
        done.append(sequence.name)
        if sequence.name == "s3":
            raise KeyboardInterrupt
        return encode(sequence, index, options)

    monkeypatch.setattr(cache_writer, "_COMMIT_SECONDS", 0)
    monkeypatch.setattr(cache_writer, "encode", dying)
    with pytest.raises(KeyboardInterrupt):
        write(marked(COUNTS), tmp_path / "cache", OPTIONS, "marked", workers=1)
    monkeypatch.setattr(cache_writer, "encode", encode)
    return tmp_path / "cache"


def resume(folder, sequences, monkeypatch):
    """Finish a cache; return the names of the sequences that were encoded again."""
    encode, again = cache_writer.encode, set()

    def watched(sequence, index, options):
        again.add(sequence.name)
        return encode(sequence, index, options)

    monkeypatch.setattr(cache_writer, "encode", watched)
    write(sequences, folder, OPTIONS, "marked")
    return again


def test_unfinished_cache_is_not_readable(interrupted):
    with pytest.raises(DataError, match="unfinished cache; run the command that builds it again"):
        LmdbCache(interrupted)


def test_resuming_keeps_what_is_there(interrupted, marked, whole, monkeypatch):
    assert resume(interrupted, marked(COUNTS), monkeypatch) == {"s3", "s4", "s5"}
    assert content(interrupted) == whole
    assert LmdbCache(interrupted).names == tuple(COUNTS)
    verify(interrupted)


def test_half_a_journal_line_is_forgotten(interrupted, marked, whole, monkeypatch):
    journal = interrupted / "progress.jsonl"
    journal.write_text(journal.read_text()[:-9])
    assert "s2" in resume(interrupted, marked(COUNTS), monkeypatch)
    assert content(interrupted) == whole


def test_damaged_records_are_written_again(interrupted, marked, whole, monkeypatch):
    with lmdb.open(str(interrupted)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"s1/00000001", b"damaged")
    assert resume(interrupted, marked(COUNTS), monkeypatch) == {"s1", "s3", "s4", "s5"}
    assert content(interrupted) == whole


def test_unfinished_cache_of_other_options_is_refused(interrupted, marked):
    before = content(interrupted)
    with pytest.raises(DataError, match="cache with options"):
        write(marked(COUNTS), interrupted, CacheOptions(quality=50), "marked")
    assert content(interrupted) == before


def test_complete_cache_is_left_alone(tmp_path, marked, whole, monkeypatch):
    assert resume(tmp_path / "whole", marked(COUNTS), monkeypatch) == set()


def test_complete_cache_of_something_else_is_refused(tmp_path, marked, whole):
    for sequences, options, source, message in (
        (marked(COUNTS), OPTIONS, "other", "cache with source marked, asked for other"),
        (marked(COUNTS), CacheOptions(mode="frame"), "marked", "cache with options"),
        (marked({"new": 2}), OPTIONS, "marked", "cache of other sequences"),
    ):
        with pytest.raises(DataError, match=message):
            write(sequences, tmp_path / "whole", options, source)
    assert content(tmp_path / "whole") == whole


def test_a_cache_of_something_else_is_replaced_on_request(tmp_path, marked, whole):
    write(marked({"new": 2}), tmp_path / "whole", OPTIONS, "new", replace=True)
    assert LmdbCache(tmp_path / "whole").names == ("new",)
    verify(tmp_path / "whole")


def test_replacing_goes_on_with_what_is_the_same(interrupted, marked, whole):
    before = {key for key in content(interrupted) if key.startswith(b"s1")}
    write(marked(COUNTS), interrupted, OPTIONS, "marked", replace=True)
    assert before and content(interrupted) == whole


def test_replacing_spares_folders_that_are_no_caches(tmp_path, marked):
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday/photo.jpg").touch()
    with pytest.raises(DataError, match="holiday: exists and is no cache"):
        write(marked({"a": 1}), tmp_path / "holiday", OPTIONS, "marked", replace=True)
    assert (tmp_path / "holiday/photo.jpg").exists()


def test_folder_with_other_files_is_refused(tmp_path, marked):
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday/photo.jpg").touch()
    with pytest.raises(DataError, match="holiday: exists and is no cache"):
        write(marked({"a": 1}), tmp_path / "holiday", OPTIONS, "marked")


def test_map_grows_as_needed(tmp_path, marked, whole, monkeypatch):
    monkeypatch.setattr(cache_writer, "_FIRST_MAP_SIZE", 1 << 14)
    write(marked(COUNTS), tmp_path / "small", OPTIONS, "marked")
    assert content(tmp_path / "small") == whole


@pytest.mark.parametrize("workers", [1, 3])
def test_content_does_not_depend_on_the_number_of_workers(tmp_path, marked, whole, workers):
    write(marked(COUNTS), tmp_path / "cache", OPTIONS, "marked", workers=workers)
    assert content(tmp_path / "cache") == whole


def test_thousands_of_still_images_share_commits(tmp_path, marked, monkeypatch):
    commits, commit = [], cache_writer._commit
    monkeypatch.setattr(cache_writer, "_commit", lambda *args: (commits.append(1), commit(*args)))
    write(marked({f"i{number}": 1 for number in range(40)}, size=(80, 80)), tmp_path / "cache",
          OPTIONS, "marked")
    assert len(commits) < 10


def test_progress_ends_at_the_number_of_frames(tmp_path, marked):
    seen = []
    write(marked({"a": 2, "b": 3}), tmp_path / "cache", OPTIONS, "marked",
          progress=lambda *step: seen.append(step))
    assert seen[0] == ("caching cache", 0, 5) and seen[-1] == ("caching cache", 5, 5)


def test_corrupt_image_is_named_and_leaves_no_manifest(tmp_path, marked):
    sequences = marked(COUNTS)
    sequences[2].frames[1].write_bytes(b"\x89PNG half")
    with pytest.raises(DataError, match=r"s2/00000001\.png: truncated"):
        write(sequences, tmp_path / "cache", OPTIONS, "marked")
    assert not (tmp_path / "cache/manifest.json").exists()


def test_sequences_without_a_visible_target_are_left_out(tmp_path, marked):
    first, second = marked({"a": 2, "b": 2})
    hidden = replace(first, visible=np.array([False, False]))
    write([hidden, second], tmp_path / "cache", OPTIONS, "marked")
    assert LmdbCache(tmp_path / "cache").names == ("b",)
    with pytest.raises(DataError, match="no sequence shows its target"):
        write([hidden], tmp_path / "none", OPTIONS, "marked")


def test_double_names_and_missing_boxes_are_refused(tmp_path, marked):
    sequence = marked({"a": 2})[0]
    with pytest.raises(DataError, match="two sequences are named 'a'"):
        write([sequence, sequence], tmp_path / "cache", OPTIONS, "marked")
    with pytest.raises(DataError, match="a has 1 boxes for 2 frames"):
        write([replace(sequence, boxes=sequence.boxes[:1])], tmp_path / "cache", OPTIONS, "marked")
    assert not (tmp_path / "cache").exists()


def test_manifest_says_what_is_in_the_cache(tmp_path, whole):
    manifest = json.loads((tmp_path / "whole/manifest.json").read_text())
    assert manifest["complete"] is True and manifest["source"] == "marked"
    assert {entry["name"]: entry["frames"] for entry in manifest["sequences"]} == COUNTS
    assert not (tmp_path / "whole/progress.jsonl").exists()
