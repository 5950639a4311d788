"""A study's chapter in a Markdown file."""

import dataclasses

import cv2

from eval.study.document import write_chapter


def chapter(study, rows, file, of=4):
    write_chapter(study, "ways", rows, ["got10k-val"], "python tools/study.py --config ways", of, file)
    return file.read_text(encoding="utf-8")


def table(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    heads, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [dict(zip(heads, row, strict=True)) for row in rows]


def test_a_chapter_tells_what_was_asked_how_and_what_came_out(study, make_row, tmp_path):
    text = chapter(study, [make_row(), make_row("mixbin", teacher=(0.5, 1.5))], tmp_path / "RESULTS.md")
    assert "## Ways to choose" in text
    assert "What matters?" in text
    assert "python tools/study.py --config ways" in text
    assert "2 of 4 trainings done, 1.0 h" in text
    assert "finetune 400" in text
    random, mixbin = table(text)
    assert (random["variant"], random["ratio"], random["to teacher"]) == ("random", ".290", "2.000")
    assert (random["to teacher − random"], mixbin["to teacher − random"]) == ("", "−1.000 ± .500")
    assert mixbin["got10k-val ao"] == ".600"


def test_seeds_are_shown_with_their_spread(study, make_row, tmp_path):
    text = chapter(study, [make_row(teacher=(1.0, 1.0)), make_row(seed=1, teacher=(2.0, 2.0))], tmp_path / "a.md")
    row, = table(text)
    assert (row["seeds"], row["to teacher"]) == ("2", "1.500 (± .707)")


def test_the_full_precision_tracker_stands_in_every_budget_and_others_are_compared_with_it(study, make_row, tmp_path):
    rows = [make_row("fp", None, method="fp", starts=(0.6, 0.8)), make_row(), make_row(budget=0.5)]
    text = chapter(study, rows, tmp_path / "a.md")
    assert text.count("| fp |") == 2
    assert text.index("Budget 0.3") < text.index("Budget 0.5")
    assert table(text.split("### Budget 0.5")[0])[1]["got10k-val many starts − fp"] == "−.100 ± .000"


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


def test_the_picture_lies_beside_the_file(study, make_row, tmp_path):
    text = chapter(study, [make_row(), make_row("mixbin"), make_row(budget=0.5)], tmp_path / "a.md")
    assert "](images/study-ways.png)" in text
    assert cv2.imread(str(tmp_path / "images" / "study-ways.png")) is not None
