"""The constants that decide figures, beside the toolkits that they are from."""

from eval.protocols import BENCHMARKS, GOT10K, LASOT, LASOT_PYSOT, LASOT_VISIBLE, OTB, OTB_VISIBLE, TRACKINGNET


def test_thresholds_are_the_toolkits():
    assert (GOT10K.overlap_steps, OTB.overlap_steps, LASOT.overlap_steps) == (101, 21, 21)
    assert (OTB.precision_at, LASOT.precision_at, LASOT.norm_precision_at) == (20, 20, 0.20)
    assert (TRACKINGNET.distance_steps, TRACKINGNET.precision_at, TRACKINGNET.norm_precision_at) == (21, "area", "area")


def test_result_files_have_the_base_of_the_benchmarks_own_files():
    assert {key: one.curves.origin for key, one in BENCHMARKS.items()} == {
        "got10k": 0, "otb": 1, "lasot": 1, "uav123": 1, "dtb70": 1, "trackingnet": 0}


def test_absent_frames_are_treated_as_each_toolkit_does():
    rules = (GOT10K, OTB, OTB_VISIBLE, LASOT, LASOT_VISIBLE, LASOT_PYSOT)
    assert [rule.absent for rule in rules] == ["left out", "unread", "left out", "missed", "left out", "missed"]


def test_every_rule_has_a_name_of_its_own():
    rules = {rule for one in BENCHMARKS.values() for rule in (one.overlap, one.curves, *one.others)}
    assert len({rule.name for rule in rules}) == len(rules)


def test_every_benchmark_names_its_rules():
    assert BENCHMARKS["lasot"].rules == "AO, SR: GOT-10k rule; success, precision: LaSOT rule"
