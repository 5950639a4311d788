"""Finding finished runs, and summaries that cannot be read."""

import json

import pytest

from tracker.errors import TrackerError
from tracker.runs import find_runs


def make_run(folder, summary=b'{"tracker": "a"}', checkpoint=True):
    folder.mkdir(parents=True)
    (folder / "summary.json").write_bytes(summary)
    if checkpoint:
        (folder / "checkpoint.pth").touch()
    return folder


def test_finished_runs_are_found_by_name_at_every_depth(tmp_path):
    for name in ("demo/mixbin-0.3", "demo/fp", "small"):
        make_run(tmp_path / name, json.dumps({"tracker": name}).encode())
    make_run(tmp_path / "weightless", checkpoint=False)
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "checkpoint.pth").touch()
    runs = find_runs(tmp_path)
    assert [run.name for run in runs] == ["demo/fp", "demo/mixbin-0.3", "small"]
    assert all(run.summary == {"tracker": run.name} for run in runs)
    assert runs[0].path == tmp_path / "demo/fp" and runs[0].checkpoint == tmp_path / "demo/fp/checkpoint.pth"


def test_a_run_itself_bears_its_folders_name(tmp_path):
    assert [run.name for run in find_runs(make_run(tmp_path / "fp"))] == ["fp"]


def test_a_folder_without_runs_has_none(tmp_path):
    assert find_runs(tmp_path) == [] and find_runs(tmp_path / "absent") == []


@pytest.mark.parametrize(("content", "message"), [
    (b'{\n"tracker":', "line 2: "),
    (b"[1]", "holds a list, not an object"),
    (b'{"a": "\xff"}', "not UTF-8"),
])
def test_a_summary_that_is_no_object_is_named(tmp_path, content, message):
    folder = make_run(tmp_path / "fp", content)
    with pytest.raises(TrackerError) as error:
        find_runs(tmp_path)
    assert str(error.value).startswith(f"{folder / 'summary.json'}: {message}")
