"""Every rule against its toolkit's steps, on boxes with all that can be wrong with them."""

import numpy as np
import plain_rules
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.metrics import Track, score_sequence
from eval.protocols import DTB70, LASOT, LASOT_PYSOT, OTB, OTB_PYSOT, TRACKINGNET, UAV123

# Whole and half pixels, so that overlaps and distances on a threshold are common and exact.
near = st.integers(-4, 40).map(lambda value: value / 2)
size = st.sampled_from([-3.0, 0.0, 0.5, 4.0, 5.0, 10.0, 10.5, 20.0])
true_size = st.sampled_from([0.0, 0.5, 4.0, 5.0, 10.0, 20.0])
nothing = st.just([float("nan")] * 4)
predicted = st.one_of(st.tuples(near, near, size, size), nothing)
true = st.one_of(st.tuples(near, near, true_size, true_size), nothing)
frames = st.lists(st.tuples(predicted, true, st.booleans()), min_size=1, max_size=8)


def scored(protocol, result, truth, absent):
    """Our scores of boxes in the files' own base."""
    shift = np.array([protocol.origin, protocol.origin, 0, 0])
    return score_sequence(protocol, Track("s", np.array(result, float) - shift, np.array(truth, float) - shift,
                                          ~np.array(absent), None))


@pytest.mark.parametrize("protocol", [OTB, UAV123, DTB70, LASOT, OTB_PYSOT, LASOT_PYSOT, TRACKINGNET],
                         ids=lambda protocol: protocol.name)
@given(frames=frames)
def test_curves_are_the_toolkits(protocol, frames):
    result, truth, absent = (list(column) for column in zip(*frames, strict=True))
    present = [False] * len(frames)
    expected = {
        OTB: lambda: plain_rules.otb(result, truth),
        UAV123: lambda: plain_rules.otb(result, truth),
        DTB70: lambda: plain_rules.otb(result, truth),
        LASOT: lambda: plain_rules.lasot(result, truth, absent),
        OTB_PYSOT: lambda: plain_rules.pysot(result, truth, present),
        LASOT_PYSOT: lambda: plain_rules.pysot(result, truth, absent),
        TRACKINGNET: lambda: plain_rules.trackingnet(result, truth),
    }[protocol]()
    ours = scored(protocol, result, truth, absent)
    for curve, theirs in zip((ours.success_curve, ours.precision_curve, ours.norm_precision_curve), expected,
                             strict=True):
        if protocol.unhit == "left out" and not any(theirs):
            assert np.isnan(curve).all()
        else:
            assert curve == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize(("protocol", "success"), [
    (OTB, 20 / 21), (UAV123, 20 / 21), (DTB70, 20 / 21), (LASOT, 20 / 21), (OTB_PYSOT, 20 / 21), (TRACKINGNET, 0.975),
], ids=lambda value: getattr(value, "name", None))
def test_a_perfect_tracker(protocol, success):
    # An overlap of 1 is not above the threshold 1: the last of 21 thresholds is lost to the mean, half of the last of
    # 20 intervals to the trapezoidal rule.
    boxes = [[10.0 + frame, 20.0, 30.0, 40.0] for frame in range(5)]
    scores = scored(protocol, boxes, boxes, [False] * 5)
    assert (scores.success, scores.precision) == (pytest.approx(success), pytest.approx(1))
    assert scores.norm_precision == (None if protocol.norm_precision_at is None else pytest.approx(1))
