from dataclasses import replace

import pytest

from eval.protocols import BENCHMARKS, GOT10K, LASOT, OTB, OTB_PYSOT, TRACKINGNET, Benchmark
from eval.reporting.rules import rules_table


def told(benchmark, column):
    """What the table says of one of its rules: line -> words."""
    return {row[0].text: row[column].text for row in rules_table(benchmark).rows}


def test_a_rule_is_told_in_a_readers_words():
    otb = told(BENCHMARKS["otb"], 2)
    assert [otb[line] for line in ("follows", "overlap thresholds", "success", "precision")] == [
        "OTB toolkit 1.1", "21, 0 to 1", "mean of the curve", "at 20 px"]
    assert otb["true box without area or NaN"] == "overlap a miss, distance a hit"
    assert told(BENCHMARKS["lasot"], 2)["normalised precision"] == "at 0.2 of the target's size"
    trackingnet = told(BENCHMARKS["trackingnet"], 2)
    assert trackingnet["precision"] == "area, 0 to 50 px by 2.5"
    assert trackingnet["normalised precision"] == "area, 0 to 0.5 of the target's size by 0.025"


def test_the_rule_of_ao_says_nothing_of_curves():
    got10k = told(BENCHMARKS["otb"], 1)
    assert (got10k["success"], got10k["precision"]) == ("mean overlap (AO)", "–")
    assert got10k["boxes confined to the frame"] == "yes"


def test_all_rules_of_a_benchmark_have_a_column_and_what_they_share_stands_below():
    table = rules_table(BENCHMARKS["lasot"])
    assert [one.text for one in table.head] == [
        "case", "GOT-10k rule", "LaSOT rule", "LaSOT rule without absent frames", "pysot rule for LaSOT"]
    assert "an overlap counts if > its threshold and a distance between centres if ≤" in table.notes[0]


@pytest.mark.parametrize("field", [
    dict(toolkit="none"), dict(overlap_steps=5), dict(first_frame="left out"), dict(first_frame="as predicted"),
    dict(absent="left out"), dict(absent="missed"), dict(valid_truth="any"), dict(valid_truth="area"),
    dict(valid_truth="centre"), dict(invalid_result="missed"), dict(clip=True), dict(average="frames"),
    dict(unhit="counted"), dict(origin=0), dict(rounded=True), dict(area="trapezoid"), dict(precision_at=10),
    dict(norm_precision_at=0.1),
])
def test_no_convention_is_left_untold(field):
    assert told(Benchmark("b", GOT10K, replace(OTB, **field)), 2) != told(Benchmark("b", GOT10K, OTB), 2)


@pytest.mark.parametrize("rule", [LASOT, OTB_PYSOT, TRACKINGNET])
def test_no_word_of_the_code_is_on_the_page(rule):
    words = " ".join(told(Benchmark("b", GOT10K, rule), 2).values())
    assert not any(word in words for word in ("unread", "unhit", "positive,", "as predicted", "none", "True", "_steps"))
