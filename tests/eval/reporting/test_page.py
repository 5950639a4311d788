import re
import shutil
from dataclasses import dataclass, replace
from functools import cached_property
from html.parser import HTMLParser

import numpy as np
import pytest

from eval.dataset import Dataset
from eval.reporting.page import write_page

SPREAD = np.linspace(0, 1, 8)


class Page(HTMLParser):
    """The attributes, the tables' cells and the ids of a page."""

    def __init__(self, text):
        super().__init__()
        self.attributes, self.cells, self.tags, self.inside = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag in ("td", "th"):
            self.inside = ""

    def handle_data(self, data):
        if self.inside is not None:
            self.inside += data

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.cells.append(self.inside.strip())
            self.inside = None

    def values(self, name):
        return [value for key, value in self.attributes if key == name]


@dataclass
class Written:
    """What `write_page` left and said."""

    html: str
    markdown: str
    missing: list[str]

    @cached_property
    def page(self) -> Page:
        return Page(self.html)


def write(out, *studies):
    missing = write_page([study.write() for study in studies], out)
    return Written((out / "report.html").read_text(), (out / "report.md").read_text(), missing)


@pytest.fixture
def report(tmp_path):
    """Write the page of some studies."""
    return lambda *studies: write(tmp_path / "out", *studies)


@pytest.fixture(scope="module")
def whole(full, tmp_path_factory):
    """The page of the full study."""
    return write(tmp_path_factory.mktemp("page"), full)


def test_each_line_stands_once_in_the_comparison_and_seeds_are_one(whole):
    html = whole.html
    comparison = html[html.index('-comparison">Comparison'):html.index("Figures</h3>")]
    firsts = [cell.split()[0] for cell in Page(comparison).cells if cell.startswith(("fp", "random", "kcf"))]
    assert sorted(firsts) == ["fp", "fps", "kcfpeer", "random-0.3random,"]
    assert "random, budget 0.30, 3 seeds" in comparison
    assert whole.missing == []


def test_the_page_needs_no_other_file_and_no_network(whole):
    assert not {"script", "link", "iframe"} & set(whole.page.tags)
    for name in ("src", "href", "xlink:href", "srcset"):
        assert all(value.startswith(("data:", "#")) for value in whole.page.values(name)), name
    assert "url(http" not in whole.html
    assert "@import" not in whole.html
    assert len(whole.html) < 5e6


def test_anchors_lead_somewhere_and_ids_are_unique(whole):
    ids = whole.page.values("id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in whole.page.values("href") + whole.page.values("xlink:href")} <= set(ids)


def test_every_picture_has_words(whole):
    assert whole.page.tags.count("img") == len([alt for alt in whole.page.values("alt") if alt])
    assert whole.page.tags.count("img") >= 8
    assert whole.html.count('<svg role="img" aria-label="') == whole.html.count("<figure><svg") == 5


def test_markdown_has_the_same_figures(whole):
    rows = [line for line in whole.markdown.splitlines() if line.startswith("|")]
    figures = set(re.findall(r"[−+]?\.\d{3}", " ".join(rows)))
    assert figures == set(re.findall(r"[−+]?\.\d{3}", " ".join(whole.page.cells)))
    assert len(figures) > 20


def test_the_command_to_repeat_it_is_on_the_page(whole, full):
    command = next(line for line in whole.markdown.splitlines() if line.startswith("python eval/run_otb.py"))
    assert f"--root {full.root} --work-dir {full.folder.parent / 'runs'} --peers kcf" in command
    assert "--threads 1" in command
    assert command in whole.html


def test_the_page_says_in_words_what_is_more_than_chance(study, report, whole):
    made = study(8)
    made.add("fp", offset=1 + SPREAD, method="fp", budget=None)
    made.add("mixbin", offset=4 + SPREAD)
    says = "Larger than chance (corrected p ≤ .05): fp is better than mixbin."
    written = report(made)
    assert says in written.html
    assert says in written.markdown
    assert "fp is better than random-0.3; fp is better than kcf" in whole.html


def test_too_few_sequences_are_called_so(study, report):
    made = study(3)
    made.add("fp", method="fp")
    made.add("mixbin", offset=4)
    assert "No two of these trackers can be told apart with 3 sequences, too few for 1 pair." in report(made).html


def test_the_number_of_pairs_is_minded(study, report):
    made = study(6)
    for number in range(4):
        made.add(f"tracker-{number}", offset=number, fp_flops=float(number))
    html = report(made).html
    assert ".031" in html  # two of 2^6 swaps: below .05 until it is corrected for six pairs
    assert "No two of these trackers can be told apart with 6 sequences, too few for 6 pairs." in html


def test_names_are_text_and_nothing_else(study, report):
    made = study(1)
    made.add("<b>fat|_name_", method="fp")
    written = report(made)
    assert "b" not in written.page.tags
    assert "&lt;b&gt;fat|_name_" in written.html
    assert r"&lt;b>fat\|\_name\_" in written.markdown


def test_one_tracker_on_one_sequence_is_a_page(study, report):
    made = study(1)
    made.add("fp", method="fp")
    written = report(made)
    assert "1 sequence. Ranked by success (OTB rule): fp .952." in written.html
    assert "Are the differences" not in written.html
    assert written.missing == []


def test_tables_remain_where_the_dataset_is_gone(study, report):
    made = study()
    made.add("fp", method="fp")
    shutil.rmtree(made.root)
    written = report(made)
    assert "img" not in written.page.tags
    assert ".952" in written.page.cells
    assert len(written.missing) == 1
    assert str(made.root) in written.missing[0]
    assert "Only the stored scores are shown" in written.markdown


def test_what_could_not_be_scored_is_said(study, report):
    made = study(2)
    made.add("fp", method="fp")
    row = made.add("late")
    row |= dict.fromkeys(("ao", "sr50", "sr75", "success", "precision", "fps"))
    (made.folder / "late/seq1.txt").unlink()
    written = report(made)
    assert written.missing == ["otb: late has no scores: 1 of 2 sequences (seq1) is missing"]
    assert "late has no scores: 1 of 2 sequences (seq1) is missing" in written.html
    made.rows = [row]
    nothing = report(made)
    assert "Nothing could be scored." in nothing.html
    assert "otb (success)" in nothing.markdown


def test_strips_show_ones_own_trackers_and_the_best_peers(study, report):
    made = study()
    for number in range(4):
        made.add(f"own{number}", offset=9, budget=0.1 * number + 0.1)
    for number in range(4):
        made.add(f"peer{number}", offset=4 - number, method="peer", budget=None)
    html = report(made).html
    legend = html[html.index('aria-label="Boxes and mean overlaps"'):]
    legend = legend[:legend.index("</ul>")]
    names = [f"{kind}{number}" for kind in ("own", "peer") for number in range(4)]
    assert [name for name in names if name in legend] == ["own0", "own1", "own2", "own3", "peer2", "peer3"]
    assert "for want of colours: peer0, peer1.</p>" in html


def test_peers_are_not_tested_against_each_other(study, report):
    made = study()
    made.add("own")
    for number in range(3):
        made.add(f"peer{number}", offset=number, method="peer", budget=None)
    html = report(made).html
    assert "own − peer2" in html
    assert "peer0 − peer1" not in html


def test_a_frame_that_is_gone_costs_its_strip_only(study, report):
    made = study()
    made.add("fp", method="fp")
    for frames in made.root.glob("*/img/0005.png"):
        frames.write_bytes(b"no image")
    written = report(made)
    assert "img" not in written.page.tags
    assert all("No filmstrip of seq" in line and "0005.png" in line for line in written.missing)
    assert "svg" in written.page.tags


def test_attributes_have_their_bars(study, report, monkeypatch):
    made = study(2)
    made.add("fp", method="fp")
    load = Dataset.sequences
    assert "<summary>By sequence</summary>" in report(made).html
    monkeypatch.setattr(Dataset, "sequences", lambda self: [replace(one, attributes=("OCC",)) for one in load(self)])
    html = report(made).html
    assert "OCC (2)" in html
    assert "<summary>By attribute and sequence</summary>" in html
    assert "Hatched" not in html
    for number in range(6):
        made.add(f"tracker-{number}", fp_flops=float(number))
    assert "Hatched: trackers whose line is not solid." in report(made).html


def test_a_replaced_file_is_said_before_all_else(study, report):
    first, second = study(1), study(1, name="again")
    for made in (first, second):
        made.add("m")
    second.rows[0]["sha256"] = "3bac98" * 10
    written = report(first, second)
    assert "m (3bac98)" in " ".join(written.page.cells)
    (line,) = written.missing
    assert "checkpoint.pth was replaced between the evaluations" in line
    assert written.html.index(line) < written.html.index("Comparison</h3>")
    assert "was replaced between the evaluations" in written.markdown


def test_two_evaluations_of_one_dataset_are_told_apart_and_summed_up_first(study, report):
    first, second = study(1), study(1, name="again")
    for made in (first, second):
        made.add("fp", method="fp")
    html = report(first, second).html
    for made in (first, second):
        assert f"otb ({made.folder})" in html
    assert html.index('id="summary"') < html.index("All datasets") < html.index("Comparison</h3>")
