import pytest

from datasets.cache_manifest import (
    DATABASE,
    JOURNAL,
    MANIFEST,
    Entry,
    Manifest,
    append_journal,
    load,
    read_journal,
    save,
    start_journal,
)
from datasets.cached_crops import CacheOptions
from datasets.errors import DataError

OPTIONS = CacheOptions(quality=80)
ENTRIES = [Entry("a", 3, 17), Entry("b/c", 1, 4294967295)]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / DATABASE).write_bytes(b"records")
    return tmp_path


def test_what_was_saved_is_loaded(folder):
    manifest = Manifest("marked 1", OPTIONS, tuple(ENTRIES))
    save(folder, manifest)
    assert load(folder) == manifest


def test_saving_ends_the_journal(folder):
    start_journal(folder, "marked", OPTIONS, [])
    with pytest.raises(DataError, match="unfinished cache"):
        load(folder)
    save(folder, Manifest("marked", OPTIONS, tuple(ENTRIES)))
    assert sorted(path.name for path in folder.iterdir()) == [DATABASE, MANIFEST]


def test_a_journal_grows_by_what_is_committed(folder):
    start_journal(folder, "marked", OPTIONS, ENTRIES[:1])
    append_journal(folder, ENTRIES[1:])
    head, entries = read_journal(folder)
    assert (head["source"], head["options"]["quality"]) == ("marked", 80)
    assert entries == ENTRIES


def test_a_line_cut_short_ends_the_journal(folder):
    start_journal(folder, "marked", OPTIONS, ENTRIES)
    path = folder / JOURNAL
    path.write_text(path.read_text()[:-5])
    assert read_journal(folder)[1] == ENTRIES[:1]


def test_a_journal_without_a_head_is_refused(folder):
    (folder / JOURNAL).write_text('{"name": "a", "frames": 3, "crc": 17}\n')
    with pytest.raises(DataError, match=r"progress\.jsonl: damaged; delete"):
        read_journal(folder)
