"""A study's chapter in a Markdown file."""

import dataclasses

import pytest

from eval.study.document import write_chapter
from eval.study.plan import Study, Variant
from tests.eval.study.conftest import FP, MIXBIN


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """The picture, which takes longer than all words, has tests of its own."""
    monkeypatch.setattr("eval.study.document.draw", lambda *_: False)


def chapter(study, rows, file, of=4):
    write_chapter(study, "ways", rows, ["got10k-val"], "python tools/study.py --config ways", of, file)
    return file.read_text(encoding="utf-8")


def table(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    heads, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [dict(zip(heads, row, strict=True)) for row in rows]


def test_a_chapter_tells_what_was_asked_how_and_what_came_out(study, make_row, tmp_path):
    text = chapter(study, [make_row(), make_row(MIXBIN, teacher=(0.5, 1.5))], tmp_path / "RESULTS.md")
    assert "## Ways to choose" in text
    assert "What matters?" in text
    assert "python tools/study.py --config ways" in text
    assert ("2 of 4 trainings done: 2.0 h of full-precision training and 1.0 h of searching and finetuning, on A CPU, "
            "1 thread each, torch 2.13. Iterations: finetune 400.") in text
    random, mixbin = table(text)
    assert (random["variant"], random["ratio"], random["to teacher"]) == ("random", ".290", "2.000")
    assert (random["rival"], random["to teacher − rival"]) == ("", "")
    assert (mixbin["rival"], mixbin["to teacher − rival"]) == ("random", "−1.000 ± 6.353*")
    assert mixbin["got10k-val ao"] == ".600"


def test_seeds_are_shown_with_their_spread_and_no_asterisk(study, make_row, tmp_path):
    rows = [make_row(variant, seed=seed, teacher=(1.0 + seed, 1.0 + seed))
            for variant in study.variants[:2] for seed in (0, 1)]
    text = chapter(study, rows, tmp_path / "a.md")
    random, mixbin = table(text)
    assert (random["seeds"], random["to teacher"]) == ("2", "1.500 (± .707)")
    assert mixbin["to teacher − rival"].startswith("+.000 ± ")
    assert "*" not in mixbin["to teacher − rival"]
    assert "the draws of up to 2 seeds" in text


def test_each_row_names_its_own_rival(make_row, tmp_path):
    poor = Variant("random, xnor", "random"), Variant("mixbin, xnor", rival="random, xnor")
    study = Study("", (Variant("random", "random"), Variant("mixbin"), *poor), rival="random")
    rows = table(chapter(study, [make_row(variant) for variant in study.variants], tmp_path / "a.md"))
    assert [row["rival"] for row in rows] == ["", "random", "random", "random, xnor"]


def test_the_full_precision_tracker_stands_in_every_budget_and_others_are_compared_with_it(study, make_row, tmp_path):
    rows = [make_row(FP, starts=(0.6, 0.8)), make_row(), make_row(budget=0.5)]
    text = chapter(study, rows, tmp_path / "a.md")
    assert text.count("| fp |") == 2
    assert text.index("Budget 0.3") < text.index("Budget 0.5")
    assert table(text.split("### Budget 0.5")[0])[1]["got10k-val many starts − fp"] == "−.100 ± .000*"


@pytest.mark.parametrize("odd", [dict(base="relu"), dict(widths=(0.5, 0.75))])
def test_where_teachers_differ_the_loss_of_the_task_is_compared(make_row, tmp_path, odd):
    study = Study("", (Variant("random", "random"), Variant("mixbin", **odd)), rival="random")
    row = make_row(study.variants[1], held_out={"task": {"ball": 2.0, "cup": 2.0}}, width=0.75)
    text = chapter(study, [make_row(), row], tmp_path / "a.md")
    _, mixbin = table(text)
    assert mixbin["held-out loss − rival"] == "+1.000 ± .000*"
    assert mixbin["width"] == "0.75"
    assert "to teacher" not in text.lower()


def test_the_costs_of_searches_are_told_in_full_precision_trainings(study, make_row, tmp_path):
    search = {"forward_passes": 300, "backward_passes": 300, "seconds": 1800.0}
    _, mixbin = table(chapter(study, [make_row(), make_row(MIXBIN, search=search)], tmp_path / "a.md"))
    assert (mixbin["search passes (min)"], mixbin["search / fp training"]) == ("600 (30.0)", ".250")


def test_what_differs_between_rows_is_a_range(study, make_row, tmp_path):
    rows = [make_row(iterations={"finetune": 400, "search": 70}),
            make_row(MIXBIN, iterations={"finetune": 400, "search": 300}, hardware="A GPU")]
    text = chapter(study, rows, tmp_path / "a.md")
    assert "Iterations: finetune 400, search 70 to 300." in text
    assert "on A CPU and A GPU, " in text


def test_a_chapter_takes_the_place_of_its_former_one_and_leaves_the_rest(study, make_row, tmp_path):
    file = tmp_path / "RESULTS.md"
    file.write_text("# Results\n\nBefore.\n")
    first = chapter(study, [make_row()], file)
    file.write_text(first + "\nAfter.\n")
    text = chapter(dataclasses.replace(study, title="New title"), [make_row()], file)
    assert text.startswith("# Results\n\nBefore.\n")
    assert text.endswith("\nAfter.\n")
    assert "New title" in text
    assert "Ways to choose" not in text
