import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stand_ins import Static

from eval import multi_start, results
from eval.dataset import Dataset, open_dataset
from eval.protocols import BENCHMARKS
from eval.runner import TrackerSpec
from eval.table import make_entry, rows, write_dataset, write_report

KEYS = {"tracker", "method", "budget", "flops_ratio", "params_1bit", "params_32bit", "ao", "sr50", "sr75",
        "success", "precision", "fps", "device", "threads", "checkpoint", "sha256"}
SUMMARY = dict(method="mixbin", budget=0.3, flops_ratio=0.2951, counted_flops=59, fp_flops=200, params_1bit=120345,
               params_32bit=4321, seed=7)


@pytest.fixture
def entry(tmp_path, sequences):
    """Make the entry of a tracker that is off by so many pixels from the second frame on; `run` is its folder."""
    def make(name, summary=SUMMARY, offset=0.0, benchmark=BENCHMARKS["got10k"], missing=0, run=None):
        spec = TrackerSpec(name, Static, str(tmp_path / (run or name) / "checkpoint.pth"), "hash", summary)
        for sequence in sequences[missing:]:
            boxes = sequence.boxes + np.array([offset, 0, 0, 0])
            boxes[0] = sequence.boxes[0]
            times = np.array([9.0] + [0.5] * (len(sequence) - 1))  # a slow init
            results.write_track(tmp_path / name, sequence, boxes, times, benchmark.curves.origin)
        return make_entry(spec, tmp_path / name, sequences, benchmark, "cpu", 2)

    return make


def test_rows_hold_the_facts_of_the_run_and_its_scores(entry):
    row = entry("demo/mixbin").row()
    assert row.keys() >= KEYS
    assert {key: row[key] for key in SUMMARY} == SUMMARY
    assert (row["ao"], row["sr75"], row["precision"]) == (1, 1, 1)
    assert row["success"] == pytest.approx(20 / 21)
    assert (row["device"], row["threads"], row["norm_precision"]) == ("cpu", 2, None)
    assert "GOT-10k rule" in row["protocol"]
    assert "3 sequences" in row["protocol"]
    assert row["bytes"] == 15044 + 4 * 4321  # 120345 bits begin a byte of their own
    assert row["sha256"] == "hash"
    assert row["multi_start_ao"] is row["multi_start_targets"] is None


def test_speed_is_updates_over_their_time_without_the_init(entry):
    assert entry("a").fps == pytest.approx(2)


def test_sequences_of_one_frame_have_neither_speed_nor_ao(entry, sequences):
    for index, sequence in enumerate(sequences):
        sequences[index] = replace(sequence, frames=sequence.frames[:1], boxes=sequence.boxes[:1],
                                   visible=sequence.visible[:1])
    row = json.loads(json.dumps(entry("a").row(), allow_nan=False))
    assert row["fps"] is row["ao"] is None
    assert row["success"] == pytest.approx(20 / 21)  # the first frame counts by this rule


def test_a_tracker_that_lacks_a_sequence_is_not_scored(entry):
    row = entry("a", missing=1).row()
    assert (row["ao"], row["success"], row["precision"]) == (None, None, None)
    assert row["fps"] == pytest.approx(2)


def test_what_cannot_be_scored_or_is_not_known_is_null(entry, sequences, tmp_path):
    for index, sequence in enumerate(sequences):
        sequences[index] = replace(sequence, visible=np.zeros(len(sequence), dtype=bool))
    row = json.loads(json.dumps(entry("a", summary={}).row(), allow_nan=False))
    assert row["ao"] is row["budget"] is row["method"] is row["bytes"] is None


def test_other_toolkits_rules_stand_in_the_row(entry):
    row = entry("a", benchmark=BENCHMARKS["otb"]).row()
    assert [other.keys() for other in row["others"]] == [{"protocol", "success", "precision", "norm_precision"}]
    assert row["others"][0]["protocol"] == BENCHMARKS["otb"].others[0].name
    assert row["others"][0]["success"] == pytest.approx(20 / 21)
    assert entry("b", missing=1, benchmark=BENCHMARKS["otb"]).row()["others"] == []


STARTS = multi_start.Options(every=3, length=4, least=3)


@pytest.fixture
def started(entry, tmp_path, sequences):
    """As `entry`, with runs from many starts that are off by so many pixels."""
    def make(name, offset=0.0, summary=SUMMARY, missing=0, run=None):
        made = entry(name, summary=summary, run=run)
        for sequence in sequences[missing:]:
            boxes = []
            for frames in multi_start.runs(sequence, STARTS):
                boxes.append(sequence.boxes[frames] + np.array([offset, 0, 0, 0]))
                boxes[-1][0] = sequence.boxes[frames[0]]
            multi_start.write_runs(tmp_path / name, sequence, STARTS, boxes)
        return make_entry(made.spec, tmp_path / name, sequences, BENCHMARKS["got10k"], "cpu", 1, STARTS)

    return make


def test_many_starts_are_compared_with_the_full_precision_tracker_or_else_the_first(started):
    fp = {"method": "fp"}
    entries = [started("first"), started("demo/mixbin", offset=6.0), started("demo/fp", offset=3.0, summary=fp),
               started("peer", offset=4.0, summary={"method": "peer"})]
    first, mixbin, own, peer = rows(entries, "walk")
    assert (first["multi_start_ao"], first["multi_start_targets"], first["multi_start_runs"]) == (1, 3, 7)
    assert first["multi_start_difference"] is first["multi_start_reference"] is None
    assert mixbin["multi_start_reference"] == "demo/fp"
    # The boxes are 12 pixels wide: 6 off is a third, 3 off is three fifths, everywhere.
    assert mixbin["multi_start_difference"] == pytest.approx(1 / 3 - 3 / 5)
    assert mixbin["multi_start_stderr"] == pytest.approx(0, abs=1e-6)
    assert own["multi_start_reference"] == peer["multi_start_reference"] == "first"

    named = rows(entries, "walk", reference="peer")
    assert [row["multi_start_reference"] for row in named] == ["peer", "peer", "peer", None]


def test_a_tracker_that_lacks_runs_is_not_compared(started):
    first, other = rows([started("first"), started("other", missing=1)], "walk")
    assert first["multi_start_ao"] == 1
    assert other["multi_start_ao"] is other["multi_start_difference"] is None


def test_what_was_evaluated_can_be_found_again(tmp_path, got10k_root, monkeypatch):
    monkeypatch.chdir(got10k_root.parent)
    dataset = open_dataset("got10k", Path("got10k"))
    write_dataset(tmp_path / "out", dataset, dataset.sequences()[:1], STARTS, ["csrt: missing"])
    content = json.loads((tmp_path / "out/dataset.json").read_text())
    assert content.pop("notes") == ["csrt: missing"]
    assert (content.pop("sequences"), multi_start.Options(**content.pop("multi_start"))) == (["a"], STARTS)
    monkeypatch.chdir("/")
    again = Dataset(**content | {"root": Path(content["root"])})
    assert [sequence.name for sequence in again.sequences()] == ["a", "b"]


def test_the_report_is_a_table_json_and_two_plots(entry, tmp_path):
    entries = [entry("demo/fp", summary={"method": "fp"}), entry("demo/mixbin", offset=3.0)]
    out = tmp_path / "report"
    write_report(entries, rows(entries, "walk-val"), BENCHMARKS["got10k"], out, "walk-val", ["a note"])
    text = (out / "table.md").read_text()
    assert text.startswith("# walk-val\n")
    assert "| demo/mixbin | mixbin | 0.30 |" in text
    assert "- a note" in text
    written = json.loads((out / "results.json").read_text())
    assert [row["tracker"] for row in written] == ["demo/fp", "demo/mixbin"]
    assert written[0]["dataset"] == "walk-val"
    for name in ("success.png", "precision.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in out.iterdir()) == [
        "precision.png", "results.json", "success.png", "table.md"]


def test_a_report_without_a_scored_tracker_has_no_plots(entry, tmp_path):
    made = [entry("a", missing=1)]
    write_report(made, rows(made, "walk-val"), BENCHMARKS["got10k"], tmp_path / "report", "walk-val", [])
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["results.json", "table.md"]
