import json
import shutil

import numpy as np
import pytest

from datasets.errors import DataError
from eval.reporting.gather import gather, read_evaluation


def test_an_evaluation_is_read_down_to_the_boxes(study):
    made = study()
    row = made.add("demo/mixbin", offset=2)
    evaluation = read_evaluation(made.write())
    (result,) = evaluation.results
    assert (evaluation.name, evaluation.dataset.benchmark, len(evaluation.sequences)) == ("otb", "otb", 3)
    assert (evaluation.problems, evaluation.partial) == ((), False)
    assert result.row["tracker"] == "demo/mixbin"
    assert result.curves.success == pytest.approx(row["success"])
    assert [one.name for one in result.overlap.sequences] == ["seq0", "seq1", "seq2"]
    assert result.boxes["seq1"][1:] == pytest.approx(made.sequences[1].boxes[1:] + np.array([2, 0, 0, 0]))


def test_all_folders_below_are_found_once_and_strangers_named(study, tmp_path):
    for name in ("b", "a"):
        made = study(name=name)
        made.add("fp")
        made.write()
    (tmp_path / "results/c").mkdir()
    (tmp_path / "results/c/results.json").write_text('[{"tracker": "scored elsewhere"}]')
    evaluations, skipped = gather([tmp_path / "results", tmp_path / "results/a"])
    assert [one.folder.name for one in evaluations] == ["a", "b"]
    assert len(skipped) == 1
    assert "c/results.json: not the rows of an evaluation" in skipped[0]


def test_without_the_dataset_the_stored_scores_remain(study):
    made = study()
    made.add("fp")
    folder = made.write()
    shutil.rmtree(made.root)
    evaluation = read_evaluation(folder)
    assert (evaluation.sequences, evaluation.results[0].curves) == ((), None)
    assert str(made.root) in evaluation.problems[0]
    (folder / "dataset.json").unlink()
    assert "dataset.json: no such file" in read_evaluation(folder).problems[0]


def test_a_part_of_the_dataset_is_called_so(study):
    made = study()
    made.sequences.pop()
    made.add("fp")
    assert read_evaluation(made.write()).partial


def test_a_sequence_that_has_gone_is_named(study):
    made = study()
    made.add("fp")
    folder = made.write()
    shutil.rmtree(made.root / "seq1")
    assert "1 of 3 sequences (seq1) is gone" in read_evaluation(folder).problems[0]


def test_an_incomplete_tracker_is_named_with_what_it_lacks(study):
    made = study()
    row = made.add("fp")
    (made.folder / "fp/seq2.txt").unlink()
    row |= {key: None for key in ("ao", "sr50", "sr75", "success", "precision")}
    evaluation = read_evaluation(made.write())
    assert evaluation.problems == ("fp has no scores: 1 of 3 sequences (seq2) is missing",)
    assert evaluation.results[0].curves is None
    (made.folder / "fp/seq1.txt").unlink()
    assert "2 of 3 sequences (seq1, ...) are missing" in read_evaluation(made.write()).problems[0]


def test_what_the_evaluation_noted_is_kept_also_without_the_dataset(study):
    made = study()
    made.add("fp")
    described = made.write() / "dataset.json"
    described.write_text(json.dumps(json.loads(described.read_text()) | {"notes": ["csrt: no such tracker here"]}))
    assert read_evaluation(made.folder).problems == ("csrt: no such tracker here",)
    shutil.rmtree(made.root)
    assert read_evaluation(made.folder).problems[0] == "csrt: no such tracker here"


def test_result_files_that_are_gone_or_have_changed_are_named(study):
    made = study()
    for name in ("gone", "changed", "kept"):
        made.add(name)
    shutil.rmtree(made.folder / "gone")
    np.savetxt(made.folder / "changed/seq0.txt", made.sequences[0].boxes + np.array([9, 9, 0, 0]), delimiter=",")
    evaluation = read_evaluation(made.write())
    gone, changed = evaluation.problems
    assert "gone has its stored scores only" in gone
    assert "changed has its stored scores only" in changed
    assert "evaluate it again" in changed
    assert [one.curves is None for one in evaluation.results] == [True, True, False]


@pytest.mark.parametrize("content", ["{", "[]", "[1]", json.dumps({"tracker": "a"})])
def test_what_are_no_results_is_refused_by_name(tmp_path, content):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(DataError, match=r"results\.json"):
        gather([tmp_path])


def test_nothing_to_gather_is_one_line(tmp_path):
    with pytest.raises(DataError, match="no results of an evaluation below"):
        gather([tmp_path])
    with pytest.raises(DataError, match=r"--results .*nowhere: no such folder"):
        gather([tmp_path / "nowhere"])
