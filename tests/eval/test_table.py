import json
from dataclasses import replace

import numpy as np
import pytest
from stand_ins import Static

from eval import results
from eval.protocols import BENCHMARKS
from eval.runner import TrackerSpec
from eval.table import make_entry, table, write_report

KEYS = {"tracker", "method", "budget", "flops_ratio", "params_1bit", "params_32bit", "ao", "sr50", "sr75",
        "success", "precision", "fps", "device", "threads", "checkpoint"}
SUMMARY = dict(method="mixbin", budget=0.3, flops_ratio=0.2951, params_1bit=120345, params_32bit=4321)


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


def test_speed_is_updates_over_their_time_without_the_init(entry):
    assert entry("a").fps == pytest.approx(2)


def test_a_tracker_that_lacks_a_sequence_is_not_scored(entry):
    row = entry("a", missing=1).row()
    assert (row["ao"], row["success"], row["precision"]) == (None, None, None)
    assert row["fps"] == pytest.approx(2)


def test_what_cannot_be_scored_or_is_not_known_is_null(entry, sequences, tmp_path):
    for index, sequence in enumerate(sequences):
        sequences[index] = replace(sequence, visible=np.zeros(len(sequence), dtype=bool))
    row = json.loads(json.dumps(entry("a", summary={}).row(), allow_nan=False))
    assert row["ao"] is row["budget"] is row["method"] is None


def test_each_score_has_the_full_precision_trackers_beside_it(entry):
    entries = [
        entry("demo/fp", summary={"method": "fp"}),
        entry("demo/mixbin-0.3", offset=6.0),
        entry("alone", offset=6.0),
    ]
    head, (fp, mixbin, alone) = table(entries)
    column = head.index("AO")
    assert (fp[column], mixbin[column], alone[column]) == ("1.000", ".333 (1.000)", ".333")
    assert mixbin[:6] == ["demo/mixbin-0.3", "mixbin", "0.30", ".295", "120,345", "4,321"]
    assert mixbin[head.index("fps")] == "2.0 (2.0)"
    assert fp[2] == "-"


def test_full_precision_trackers_of_other_folders_are_no_rivals(entry, tmp_path, monkeypatch):
    fp = {"method": "fp"}
    named_alone = [entry("mixbin-0.3", run="a/mixbin-0.3"), entry("fp", summary=fp, run="b/fp")]
    head, (mixbin, _) = table(named_alone)
    assert mixbin[head.index("AO")] == "1.000"
    monkeypatch.chdir(tmp_path)
    relative = replace(named_alone[1], spec=replace(named_alone[1].spec, source="a/fp/checkpoint.pth"))
    head, (mixbin, _) = table([named_alone[0], relative])
    assert mixbin[head.index("AO")] == "1.000 (1.000)"


def test_normalised_precision_is_a_column_where_the_protocol_has_it(entry):
    for benchmark, expected in ((BENCHMARKS["otb"], False), (BENCHMARKS["lasot"], True)):
        head, _ = table([entry(benchmark.curves.name.split()[0], benchmark=benchmark)])
        assert ("norm. prec. @0.2" in head) is expected


def test_the_report_is_a_table_json_and_two_plots(entry, tmp_path):
    entries = [entry("demo/fp", summary={"method": "fp"}), entry("demo/mixbin", offset=3.0)]
    out = tmp_path / "report"
    write_report(entries, out, "walk-val", ["a note"])
    text = (out / "table.md").read_text()
    assert text.startswith("# walk-val\n")
    assert "| demo/mixbin | mixbin | 0.30 |" in text
    assert "- a note" in text
    rows = json.loads((out / "results.json").read_text())
    assert [row["tracker"] for row in rows] == ["demo/fp", "demo/mixbin"]
    for name in ("success.png", "precision.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in out.iterdir()) == [
        "precision.png", "results.json", "success.png", "table.md"]


def test_a_report_without_a_scored_tracker_has_no_plots(entry, tmp_path):
    write_report([entry("a", missing=1)], tmp_path / "report", "walk-val", [])
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["results.json", "table.md"]
