"""Medians, quartiles and ratios, as rows and as a table."""

import pytest

from eval.benchmarking.rows import make_rows
from eval.benchmarking.table import tables

KEYS = ["contestant", "budget", "fp_precision", "threads", "network_ms", "update_ms", "network_ratio", "update_ratio"]


@pytest.fixture
def samples():
    """Two slow rounds of five; the others of a contestant are alike."""
    machine = [1.0, 1.0, 1.0, 3.0, 2.0]
    return {(place, part): [cost * busy for busy in machine]
            for place, cost in enumerate((0.1, 0.02, 0.2)) for part in ("network", "update")}


def test_rows_have_the_agreed_keys_and_quartiles_behind_them(fp_and_mix, samples):
    for row in make_rows(fp_and_mix, samples, 2):
        assert list(row)[:4] == KEYS[:4]
        assert set(row) == {*KEYS, *(f"{key}_quartiles" for key in KEYS[4:])}
    assert [(row["contestant"], row["budget"], row["fp_precision"], row["threads"])
            for row in make_rows(fp_and_mix, samples, 2)][1] == ("mix, packed", 0.3, "int8", 2)


def test_milliseconds_are_medians_over_rounds(fp_and_mix, samples):
    first = make_rows(fp_and_mix, samples, 1)[0]
    assert first["network_ms"] == pytest.approx(100)
    assert first["network_ms_quartiles"] == pytest.approx([100, 200])


def test_ratios_are_taken_within_a_round(fp_and_mix, samples):
    rows = make_rows(fp_and_mix, samples, 1)
    assert [row["network_ratio"] for row in rows] == pytest.approx([1, 0.2, 2])
    assert rows[1]["network_ratio_quartiles"] == pytest.approx([0.2, 0.2])  # what slows all is in no ratio
    samples[1, "update"] = [0.01, 0.02, 0.09, 0.12, 0.1]  # of the first 0.1, 0.2, 0.9, 0.4, 0.5
    assert make_rows(fp_and_mix, samples, 1)[1]["update_ratio"] == pytest.approx(0.4)


def test_there_are_no_rows_before_the_first_round_is_over(fp_and_mix):
    assert make_rows(fp_and_mix, {}, 1) == []
    assert make_rows(fp_and_mix, {(0, "network"): [], (0, "update"): []}, 1) == []


def test_a_table_a_number_of_threads_with_ratios_first(fp_and_mix, samples):
    rows = [*make_rows(fp_and_mix, samples, 1), *make_rows(fp_and_mix, samples, 2)]
    for row in rows:
        row["update_ms"] += 1
    one, two = tables(rows)
    assert (one.title[:9], two.title[:9]) == ("1 thread:", "2 threads")
    assert one.head[3:5] == ["network ratio", "update ratio"]
    assert one.body[1] == ["mix, packed", "int8", "0.30", ".200\n.200-.200", ".200\n.200-.200", "20.00\n20.00-40.00",
                           "21.00\n20.00-40.00", "1.00"]
