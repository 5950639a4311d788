import json

import pytest

from datasets.cache_manifest import (
    DATABASE,
    JOURNAL,
    MANIFEST,
    Entry,
    Manifest,
    append_journal,
    header,
    load,
    read_header,
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


@pytest.mark.parametrize("cut", [1, 7])
def test_a_truncated_database_is_refused_before_it_is_read(folder, cut):
    save(folder, Manifest("marked", OPTIONS, tuple(ENTRIES)))
    (folder / DATABASE).write_bytes(b"records"[:-cut])
    with pytest.raises(DataError, match=rf"data\.mdb: truncated \({7 - cut} of 7 bytes\); copy it again, or delete"):
        load(folder)


def test_a_database_that_has_grown_is_read(folder):
    save(folder, Manifest("marked", OPTIONS, tuple(ENTRIES)))
    (folder / DATABASE).write_bytes(b"records and more")
    assert load(folder).source == "marked"


def test_caches_from_before_sizes_were_noted_are_refused_by_their_format(folder):
    save(folder, Manifest("marked", OPTIONS, tuple(ENTRIES)))
    content = json.loads((folder / MANIFEST).read_text()) | {"format": "b2track.cache/1"}
    del content["database_bytes"]
    (folder / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"format 'b2track\.cache/1', expected .*; delete it and build it again"):
        load(folder)
    assert read_header(folder) == header("marked", OPTIONS) | {"format": "b2track.cache/1"}


def test_the_header_of_a_begun_and_of_a_complete_cache(folder):
    assert read_header(folder) is None
    start_journal(folder, "marked", OPTIONS, ENTRIES)
    assert read_header(folder) == header("marked", OPTIONS)
    save(folder, Manifest("other", OPTIONS, tuple(ENTRIES)))
    assert read_header(folder) == header("other", OPTIONS)


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
