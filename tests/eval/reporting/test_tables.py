from eval.protocols import BENCHMARKS
from eval.reporting import tables
from eval.reporting.gather import Result
from eval.reporting.groups import METRICS, Group
from eval.reporting.statistics import Comparison, Interval

GOT10K, OTB, LASOT, TRACKINGNET = (BENCHMARKS[key] for key in ("got10k", "otb", "lasot", "trackingnet"))
ROW = dict(tracker="a", checkpoint="a.pth", method="random", budget=0.3, seed=0, success=0.5, ao=0.25, fps=20.0,
           counted_flops=275e6, flops_ratio=0.29, bytes=1_711_000, device="cpu", threads=1)


def line(*rows, label="a"):
    return Group(label, tuple(Result({**ROW, **row}) for row in rows))


def column(table, name):
    index = [one.text for one in table.head].index(name)
    return [row[index] for row in table.rows]


def test_the_comparison_has_costs_speed_and_scores_under_the_names_of_their_rules():
    table = tables.comparison([line({})], OTB)
    assert [(one.text, one.note) for one in table.head] == [
        ("tracker", "method, budget"), ("success", "OTB rule"), ("AO", "GOT-10k rule"), ("fps", ""),
        ("GFLOPs", "counted"), ("FLOPs ratio", ""), ("size", "kB")]
    assert [one.text for one in table.rows[0]] == ["a", ".500", ".250", "20.0", "0.275", ".290", "1,711"]
    assert [one.text for one in tables.comparison([line({})], GOT10K).head[1:3]] == ["AO", "success"]
    assert table.rows[0][0].note == "random, budget 0.30"


def test_the_best_of_each_column_is_marked_the_cheapest_and_the_highest():
    table = tables.comparison([line({}), line({"success": 0.6, "flops_ratio": 0.4}, label="b")], OTB)
    assert [one.best for one in column(table, "success")] == [False, True]
    assert [one.best for one in column(table, "FLOPs ratio")] == [True, False]
    dearer = tables.comparison([line({}), line({"counted_flops": 9e8, "bytes": 9e6}, label="b")], OTB)
    assert [[one.best for one in column(dearer, name)] for name in ("GFLOPs", "size")] == [[True, False]] * 2
    assert [one.best for one in column(table, "AO")] == [True, True]
    assert not any(one.best for one in tables.comparison([line({})], OTB).rows[0])


def test_seeds_are_mean_and_deviation():
    table = tables.comparison([line({}, {"success": 0.6, "seed": 1})], OTB)
    assert column(table, "success")[0].text == ".550 ± .071"
    assert column(table, "AO")[0].text == ".250"
    assert table.rows[0][0].note == "random, budget 0.30, 2 seeds"
    assert "training seeds" in table.notes[0]


def test_what_is_not_known_is_a_dash_and_never_the_best():
    table = tables.comparison([line({"success": None, "bytes": None}), line({"bytes": None}, label="b")], None)
    assert [(one.text, one.best) for one in column(table, "success")] == [("–", False), (".500", True)]
    assert "size" not in [one.text for one in table.head]


def test_heads_say_where_a_score_is_read_off_its_curve():
    assert tables.metric_head(METRICS["norm_precision"], LASOT).text == "norm. precision @0.2"
    assert tables.metric_head(METRICS["precision"], TRACKINGNET).text == "precision area"
    assert tables.metric_head(METRICS["precision"], None).note == ""


def test_pairs_have_the_verdict_the_difference_and_both_p_values():
    found = Comparison(Interval(-0.1, -0.02, 0.3), 0.01, 8)
    table = tables.pairs({("a", "b"): found}, {("a", "b"): 0.04}, "success", [])
    assert [one.text for one in table.rows[0]] == ["a − b", "b is better", "−.100", "−.020 to +.300", ".010", ".040"]


def test_many_starts_compare_with_the_first_line_paired_over_targets():
    facts = dict(multi_start_ao=0.5, multi_start_targets=2, multi_start_runs=1200)
    first, second = ({**ROW, **facts}, {**ROW, **facts, "multi_start_ao": 0.6})
    groups = [Group("fp", (Result(first, starts={"x": 0.4, "y": 0.6}),)),
              Group("b", (Result(second, starts={"x": 0.6, "y": 0.6}),)), line({}, label="without")]
    table = tables.many_starts(groups)
    assert [[one.text for one in row] for row in table.rows] == [
        ["fp", ".500", "2", "1,200", "–"], ["b", ".600", "2", "1,200", "+.100 ± .100"]]
    assert (table.rows[1][1].best, table.head[-1].note) == (True, "to fp")
    assert tables.many_starts([line({})]) is None


def test_many_starts_keep_the_stored_difference_where_the_targets_are_gone():
    facts = dict(multi_start_ao=0.5, multi_start_targets=2, multi_start_runs=4)
    stored = dict(multi_start_reference="a", multi_start_difference=-0.02, multi_start_stderr=0.01)
    table = tables.many_starts([line(facts), line({**facts, **stored}, label="b")])
    assert table.rows[1][-1].text == "−.020 ± .010"


def test_other_toolkits_figures_stand_in_a_table_of_their_own():
    others = [dict(protocol="pysot rule", success=0.4, precision=0.5, norm_precision=None)]
    table = tables.others([line({"others": others}), line({}, label="b")])
    assert [(one.text, one.note) for one in table.head[1:]] == [("success", "pysot rule"), ("precision", "pysot rule")]
    assert [[one.text for one in row[1:]] for row in table.rows] == [[".400", ".500"], ["–", "–"]]
    assert tables.others([line({})]) is None


def test_the_summary_has_a_column_a_dataset_and_gaps_where_a_tracker_was_not_run():
    table = tables.summary({"otb": ("success", [line({}), line({"success": 0.7}, label="b")]),
                            "got10k": ("ao", [line({})])})
    assert [(one.text, one.note) for one in table.head[2:]] == [("otb", "success"), ("got10k", "AO")]
    assert [[one.text for one in row[2:]] for row in table.rows] == [[".500", ".250"], [".700", "–"]]
