import pytest

from eval.reporting import wording
from eval.reporting.statistics import Comparison, Interval


@pytest.mark.parametrize("p, corrected, difference, says", [
    (0.01, 0.04, 0.1, "a is better"),
    (0.01, 0.04, -0.1, "b is better"),
    (0.01, 0.06, -0.1, "b looks better, but not after correction for all pairs"),
    (0.06, 0.06, 0.1, "cannot be told apart with 8 sequences"),
])
def test_the_verdict_is_words(p, corrected, difference, says):
    assert wording.verdict(("a", "b"), Comparison(Interval(difference, -0.02, 0.3), p, 8), corrected) == says


def test_figures_are_written_as_papers_write_them():
    assert [wording.score(one) for one in (0.57, 1.0, 0.0, None, float("nan"))] == [".570", "1.000", ".000", "–", "–"]
    assert [wording.signed(one) for one in (0.0125, -0.02, -0.0001)] == ["+.013", "−.020", ".000"]
    assert [wording.probability(one) for one in (0.0078, 0.0001, 1.0)] == [".008", "< .001", "1"]


def test_a_machine_is_its_device_and_threads():
    assert wording.machine(dict(device="cpu", threads=1)) == "cpu, 1 thread"
    assert wording.machine(dict(device="cuda", threads=4)) == "cuda, 4 threads"
    assert wording.machine({}) == "–, –"
