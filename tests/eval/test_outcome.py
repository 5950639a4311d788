"""What a folder of results says after several calls."""

import json

import numpy as np
import pytest
from stand_ins import Static, truth, write_frames

from eval import outcome, results
from eval.dataset import open_dataset
from eval.options import Options
from eval.runner import TrackerSpec


@pytest.fixture
def dataset(tmp_path):
    """An OTB folder of three sequences; the first true box of the last one has no area."""
    for name in ("A", "B", "Void"):
        boxes = truth(4) + np.array([1, 1, 0, 0])
        write_frames(tmp_path / "otb" / name / "img", truth(4), "{:04d}.png")
        if name == "Void":
            boxes[0, 2:] = 0
        np.savetxt(tmp_path / "otb" / name / "groundtruth_rect.txt", boxes, "%d", delimiter=",")
    return open_dataset("otb", tmp_path / "otb")


@pytest.fixture
def report(dataset, tmp_path, capsys):
    """Report trackers of these names, which have tracked everything that can be; returns the names in the table."""
    out = tmp_path / "out"

    def make(*names, sequences=("A", "B", "Void"), notes=()):
        chosen = [sequence for sequence in dataset.sequences() if sequence.name in sequences]
        specs = [TrackerSpec(name, Static, f"runs/{name}.pth", f"hash of {name}") for name in names]
        for spec in specs:
            meta = results.describe(spec.source, spec.sha256, "otb", str(dataset.root), 1, "cpu", 1)
            results.prepare(out / spec.name, meta)
            for sequence in chosen:
                if sequence.name != "Void":
                    results.write_track(out / spec.name, sequence, sequence.boxes, np.ones(4), 1)
        options = Options(specs, [], out, out, None, 1, 1, "cpu", False, None, None)
        outcome.report(dataset, chosen, 3, out, options, 1, list(notes))
        return [row["tracker"] for row in json.loads((out / "results.json").read_text())]

    make.out = out
    make.printed = lambda: capsys.readouterr().out
    return make


def test_what_nobody_can_track_takes_no_score_from_those_who_did_the_rest(report):
    report("a")
    row, = json.loads((report.out / "results.json").read_text())
    assert row["success"] == pytest.approx(20 / 21)
    assert "sequences: 2 of 3" in report.printed()
    assert json.loads((report.out / "dataset.json").read_text())["sequences"] == ["A", "B"]


def test_trackers_of_earlier_calls_stay_in_the_table(report):
    report("a")
    assert report("b") == ["a", "b"]
    assert report("a") == ["b", "a"]


def test_a_tracker_whose_folder_another_checkpoint_has_taken_does_not(report):
    report("a")
    meta = json.loads((report.out / "a/meta.json").read_text())
    (report.out / "a/meta.json").write_text(json.dumps(meta | {"sha256": "another"}))
    assert report("b") == ["b"]


def test_results_on_other_images_do_not(report, dataset):
    report("a")
    stored = json.loads((report.out / "dataset.json").read_text())
    (report.out / "dataset.json").write_text(json.dumps(stored | {"root": "/elsewhere"}))
    assert report("b") == ["b"]


def test_trackers_of_other_sequences_are_named_where_they_drop_out(report):
    report("a", sequences=["A"])
    report.printed()
    assert report("b") == ["b"]
    assert "Evaluated on other sequences before, not in this table: a." in report.printed()


def test_what_an_earlier_call_missed_is_still_missing_but_not_what_failed_then(report):
    report("a", notes=["csrt: not in this build", "FAILED: a on 1 (A): no"])
    report("b")
    assert json.loads((report.out / "dataset.json").read_text())["notes"] == ["csrt: not in this build"]


def test_a_call_for_a_part_leaves_the_files_of_the_whole(report):
    report("a", "b")
    report.printed()
    assert report("b", sequences=["A"]) == ["a", "b"]
    assert "left as it is, for it is of 2 sequences" in report.printed()
    assert json.loads((report.out / "dataset.json").read_text())["sequences"] == ["A", "B"]


def test_what_was_missing_is_kept_for_the_page(report):
    report("a", notes=["csrt: not in this build"])
    assert json.loads((report.out / "dataset.json").read_text())["notes"] == ["csrt: not in this build"]
    assert "- csrt: not in this build" in (report.out / "table.md").read_text()


def test_brackets_are_explained_where_there_are_some(report):
    report("a")
    assert "In brackets" not in report.printed()


def test_files_that_another_version_wrote_are_replaced(report):
    report("a")
    (report.out / "results.json").write_text("[{}]")
    assert report("b") == ["b"]
