"""Success is joined by what was evaluated, and what has none is named."""

import json
from dataclasses import replace

import pytest

from datasets.errors import DataError
from eval.benchmarking import success
from eval.benchmarking.rows import make_rows
from eval.benchmarking.success import draw, read_scores


def write(path, *scores, dataset="otb"):
    path.write_text(json.dumps([{"tracker": "t", "dataset": dataset, "sha256": digest, "success": success}
                                for digest, success in scores]))
    return path


def test_success_is_joined_by_hash_the_nearest_form_first(tmp_path, fp_and_mix):
    scores = read_scores([write(tmp_path / "a.json", ("ab", 0.5), ("aa", 0.6), ("zz", 0.1), ("bb", 0.4))])
    assert [scores.of(one) for one in fp_and_mix] == [0.6, None, 0.4]


def test_files_of_one_dataset_are_one_and_unscored_rows_none(tmp_path, fp_and_mix):
    scores = read_scores([write(tmp_path / "a.json", ("aa", 0.6)), write(tmp_path / "b.json", ("ba", None))])
    assert [scores.of(one) for one in fp_and_mix] == [0.6, None, None]


def test_several_datasets_and_foreign_files_are_refused(tmp_path):
    first, second = write(tmp_path / "a.json", ("aa", 0.6)), write(tmp_path / "b.json", ("aa", 0.7), dataset="lasot")
    with pytest.raises(DataError, match=r"holds otb \(.*a.json\), lasot"):
        read_scores([first, second])
    (tmp_path / "c.json").write_text('{"rows": 1}')
    with pytest.raises(DataError, match=r"c.json: not a results.json"):
        read_scores([tmp_path / "c.json"])


@pytest.fixture
def rows(fp_and_mix):
    samples = {(place, part): [0.01, 0.02] for place in range(3) for part in ("network", "update")}
    return [*make_rows(fp_and_mix, samples, 1), *make_rows(fp_and_mix, samples, 2)]


def test_the_plot_names_what_it_lacks(tmp_path, fp_and_mix, rows):
    scores = read_scores([write(tmp_path / "a.json", ("aa", 0.6), ("ba", 0.5))])
    notes = draw(rows, fp_and_mix, scores, tmp_path / "plot.png")
    assert notes == ["Not in the plot, for otb has no success of them: mix, packed, int8."]
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_tracker_has_one_colour_and_each_runtime_its_marker(tmp_path, fp_and_mix, monkeypatch):
    drawn = []
    monkeypatch.setattr(success, "_points", lambda axes, name, points, look: drawn.append((name, len(points), look)))
    legends = []
    monkeypatch.setattr(success, "_legends", lambda figure, looks, runtimes: legends.append((list(looks), runtimes)))
    racers = [replace(one, digests=("aa",)) for one in fp_and_mix]
    samples = {(place, part): [0.01, 0.02] for place in range(3) for part in ("network", "update")}
    draw(make_rows(racers, samples, 1), racers, read_scores([write(tmp_path / "a.json", ("aa", 0.6))]),
         tmp_path / "plot.png")
    (fp, mix) = drawn
    assert fp[:2] == ("fp", 1) and mix[:2] == ("mix", 2) and fp[2] != mix[2]
    assert legends == [(["fp", "mix"], ["torch", "packed"])]


def test_nothing_is_drawn_of_nothing(tmp_path, fp_and_mix, rows):
    scores = read_scores([write(tmp_path / "a.json", ("zz", 0.6))])
    assert draw(rows, fp_and_mix, scores, tmp_path / "plot.png")[-1] == "No plot was drawn."
    assert not (tmp_path / "plot.png").exists()
