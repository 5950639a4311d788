"""The constants that decide figures, beside the toolkits that they are from."""

from eval.protocols import DISTANCES, GOT10K, GOT10K_BENCHMARK, LASOT, LASOT_BENCHMARK, OTB, OTB_BENCHMARK, OTB_VISIBLE


def test_thresholds_are_the_toolkits():
    assert (GOT10K.overlap_steps, OTB.overlap_steps, LASOT.overlap_steps) == (101, 21, 21)
    assert (OTB.precision_at, LASOT.precision_at, LASOT.norm_precision_at) == (20, 20, 0.20)
    assert (DISTANCES[0], DISTANCES[-1]) == (0, 50)


def test_result_files_have_the_base_of_the_benchmarks_own_files():
    assert [one.curves.origin for one in (GOT10K_BENCHMARK, OTB_BENCHMARK, LASOT_BENCHMARK)] == [0, 1, 1]


def test_absent_frames_are_treated_as_each_toolkit_does():
    assert [rule.absent for rule in (GOT10K, OTB, OTB_VISIBLE, LASOT)] == ["left out", "unread", "left out", "missed"]


def test_every_benchmark_names_its_rules():
    names = {rule.name for rule in (GOT10K, OTB, OTB_VISIBLE, LASOT)}
    assert len(names) == 4
    assert LASOT_BENCHMARK.rules == "AO, SR: GOT-10k rule; success, precision: LaSOT rule"
    assert GOT10K_BENCHMARK.rules.endswith("OTB rule without absent frames")
