import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from stand_ins import truth

from datasets.errors import DataError
from eval.metrics import Track, score
from eval.protocols import GOT10K, LASOT, OTB, OTB_PYSOT, OTB_VISIBLE

HIT, HALF, MISS = [100.0, 100, 40, 40], [100.0, 100, 40, 20], [300.0, 300, 40, 40]


def track(predicted, true=None, visible=None, name="s"):
    predicted = np.array(predicted, dtype=float)
    true = np.tile(HIT, (len(predicted), 1)) if true is None else np.array(true, dtype=float)
    visible = np.ones(len(true), dtype=bool) if visible is None else np.array(visible, dtype=bool)
    return Track(name, predicted, true, visible, frame_size=(640, 480))


def test_a_perfect_tracker_scores_952_by_the_otb_rule():
    # 21 thresholds 0, .05, ..., 1 and overlap > threshold: an overlap of 1 does not pass the last one.
    scores = score(OTB, [track([HIT] * 10)])
    assert scores.success == pytest.approx(20 / 21)
    assert (scores.precision, scores.ao, scores.sr75) == (1, 1, 1)


def test_a_perfect_tracker_by_the_other_rules():
    got10k, lasot = score(GOT10K, [track([HIT] * 10)]), score(LASOT, [track([HIT] * 10)])
    assert (got10k.ao, got10k.sr50, got10k.sr75) == (1, 1, 1)
    assert got10k.success_curve == pytest.approx([1.0] * 100 + [0])
    assert got10k.norm_precision is None
    assert (lasot.success, lasot.norm_precision) == (pytest.approx(20 / 21), 1)


def test_thresholds_are_strict_for_overlap_and_inclusive_for_distance():
    # HALF overlaps by exactly .5; 20 px away is still precise.
    shifted = [120.0, 100, 40, 40]
    scores = score(GOT10K, [track([HIT, HALF, shifted])])
    assert (scores.sr50, scores.precision) == (0, 1)
    assert score(OTB, [track([HIT, [120.001, 100, 40, 40]])]).precision == 0.5


def test_got10k_leaves_out_the_first_frame_and_absent_ones():
    scores = score(GOT10K, [track([MISS, HIT, HALF, MISS], visible=[1, 1, 1, 0])])
    assert scores.ao == pytest.approx(0.75)


def test_got10k_averages_over_frames_and_otb_over_sequences():
    tracks = [track([HIT, HIT]), track([HIT, MISS, MISS, MISS])]
    assert score(GOT10K, tracks).ao == pytest.approx(1 / 4)
    assert score(OTB, tracks).ao == pytest.approx((1 + 1 / 4) / 2)


def test_got10k_confines_boxes_to_the_frame():
    sticking_out = [620.0, 100, 40, 40]
    scores = score(GOT10K, [track([HIT, sticking_out], true=[HIT, [620.0, 100, 20, 40]])])
    assert scores.ao == 1


def test_otb_gives_the_first_frame_and_repeats_the_row_before_an_invalid_one():
    # In this order: a bad second row is repeated from the first as the tracker wrote it.
    predicted = [MISS, [np.nan] * 4, HALF, [0, 0, 0, 0]]
    assert score(OTB, [track(predicted)]).ao == pytest.approx((1 + 0 + 0.5 + 0.5) / 4)


def test_otb_does_not_repeat_into_frames_without_a_true_box():
    # So the bad row after such a frame repeats a bad one.
    scores = score(OTB, [track([HIT, [np.nan] * 4, [np.nan] * 4], true=[HIT, [np.nan] * 4, HIT])])
    assert scores.ao == pytest.approx(1 / 3)


@pytest.mark.parametrize("invalid", [[np.nan] * 4, [0, 0, 0, 0], [100, 100, 0, 40], [-1, 100, 40, 40]])
def test_invalid_truth_is_a_miss_of_overlap_and_a_hit_of_distance_by_the_otb_rule(invalid):
    # [-1, ...] is 0 in the files' own 1-based pixels, hence not positive.
    scores = score(OTB, [track([HIT, HIT], true=[HIT, invalid])])
    assert (scores.ao, scores.precision) == (0.5, 1)


def test_boxes_in_the_first_column_are_valid_by_the_otb_rule():
    first_column = [0.0, 0, 40, 40]  # 1, 1 in the files
    assert score(OTB, [track([HIT, first_column], true=[HIT, first_column])]).ao == 1


def test_boxes_at_the_border_are_valid_where_the_rule_asks_for_area():
    at_border = [-1.0, 100, 40, 40]
    assert score(OTB_VISIBLE, [track([HIT, at_border], true=[HIT, at_border])]).ao == 1


def test_absent_frames_are_misses_by_the_lasot_rule():
    scores = score(LASOT, [track([HIT] * 4, visible=[1, 1, 1, 0])])
    assert (scores.ao, scores.precision, scores.norm_precision) == (0.75, 0.75, 0.75)
    assert score(OTB_VISIBLE, [track([HIT] * 4, visible=[1, 1, 1, 0])]).ao == 1


def test_normalized_precision_is_read_at_a_fifth_of_the_target():
    near, far = [107.9, 100, 40, 40], [108.1, 100, 40, 40]
    assert score(LASOT, [track([HIT, near])]).norm_precision == 1
    assert score(LASOT, [track([HIT, far])]).norm_precision == 0.5


def test_sequences_without_a_frame_to_score_have_no_say():
    tracks = [track([HIT, HIT]), track([HIT]), track([HIT, MISS], visible=[0, 0])]
    assert score(GOT10K, tracks).ao == 1
    assert np.isnan(score(GOT10K, tracks[1:]).ao)
    assert np.isnan(score(GOT10K, []).success)


def test_a_wrong_number_of_boxes_names_the_sequence():
    with pytest.raises(DataError, match="walk: 2 predicted boxes for 3 true ones"):
        score(OTB, [track([HIT, HIT], true=[HIT] * 3, visible=[1] * 3, name="walk")])


@given(arrays(float, (12, 4), elements=st.floats(0, 90)))
def test_curves_are_monotonous_fractions(predicted):
    scores = score(LASOT, [track(predicted, true=truth(12))])
    for curve in (scores.success_curve, -scores.precision_curve, -scores.norm_precision_curve):
        assert (np.diff(curve) <= 1e-12).all()
        assert (np.abs(curve) <= 1).all()
    assert scores.sr75 <= scores.sr50


def test_tiny_boxes_and_all_nan_truth_give_no_nan():
    tiny = [[1.0, 1, 1e-200, 1e-200]] * 2
    assert score(OTB, [track(tiny, true=tiny)]).ao == 0
    nothing = [[np.nan] * 4] * 3
    assert score(GOT10K, [track([HIT] * 3, true=nothing)]).ao == 0
    assert score(OTB, [track([HIT] * 3, true=nothing)]).precision == 1


def test_a_sequence_that_never_hits_is_left_out_of_otbs_mean_and_counted_by_pysots():
    lost, found = track([MISS, MISS], true=[[np.nan] * 4, HIT]), track([HIT, HIT])
    assert score(OTB, [lost, found]).success == pytest.approx(20 / 21)
    assert score(OTB_PYSOT, [lost, found]).success == pytest.approx(10 / 21)


def test_a_sequence_of_one_frame_is_the_given_box_for_otb_and_nothing_for_got10k():
    assert score(OTB, [track([MISS], true=[HIT])]).success == pytest.approx(20 / 21)
    assert np.isnan(score(GOT10K, [track([MISS], true=[HIT])]).ao)


def test_a_sequence_that_never_shows_its_target_is_left_out_of_lasots_mean():
    never = track([HIT, HIT], visible=[0, 0])
    assert np.isnan(score(LASOT, [never]).success)
    assert score(LASOT, [never, track([HIT, HIT])]).success == pytest.approx(20 / 21)
