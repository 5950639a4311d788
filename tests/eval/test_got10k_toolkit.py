"""Our rules against the got10k package: equal where it is right, and where it is not, a test says how."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eval.boxes import iou
from eval.metrics import Track, frame_errors, score, score_sequence
from eval.protocols import GOT10K, OTB

experiments = pytest.importorskip("got10k.experiments")
metrics = pytest.importorskip("got10k.utils.metrics")

FRAME = (100, 80)
BOX = np.array([[10.0, 20.0, 40.0, 30.0]])
any_boxes = arrays(float, (6, 4), elements=st.floats(-50, 150).map(lambda value: round(value, 3)))
covers = st.lists(st.integers(0, 8), min_size=6, max_size=6).map(np.array)
got10k = experiments.ExperimentGOT10k.__new__(experiments.ExperimentGOT10k)
otb = experiments.ExperimentOTB.__new__(experiments.ExperimentOTB)
otb.nbins_iou, otb.nbins_ce = 21, 51


def toolkit_overlaps(predicted, true, cover):
    """As `ExperimentGOT10k.report` gets them."""
    return metrics.rect_iou(predicted[1:].copy(), true[1:].copy(), bound=FRAME)[cover[1:] > 0]


def track(predicted, true, cover=None, origin=0):
    shift = np.array([origin, origin, 0, 0])
    visible = np.ones(len(true), dtype=bool) if cover is None else cover > 0
    return Track("s", predicted - shift, true - shift, visible, FRAME)


@given(any_boxes, any_boxes)
def test_overlaps_are_equal_even_for_negative_sizes(predicted, true):
    # Two of them have a positive area there, but nothing in common with any box.
    assert iou(predicted, true) == pytest.approx(metrics.rect_iou(predicted, true), abs=1e-12)


@given(any_boxes, any_boxes, covers)
def test_overlaps_of_got10k_frames_are_equal_even_without_area(predicted, true, cover):
    ours = np.maximum(frame_errors(GOT10K, track(predicted, true, cover)).overlap, 0)
    assert ours == pytest.approx(toolkit_overlaps(predicted, true, cover), abs=1e-12)


@given(any_boxes, any_boxes, covers, any_boxes, any_boxes)
def test_ao_sr_and_curve_of_several_sequences_are_equal(predicted, true, cover, more_predicted, more_true):
    # Overlaps on a threshold may fall on either side of it by the last bit.
    all_seen = np.full(6, 8)
    overlaps = np.concatenate([toolkit_overlaps(predicted, true, cover),
                               toolkit_overlaps(more_predicted, more_true, all_seen)])
    assume((np.abs(overlaps[:, None] - np.linspace(0, 1, 101)[1:]) > 1e-9).all())
    assume(((overlaps == 0) | (overlaps > 1e-9)).all())
    ao, sr, _, curve = got10k._evaluate(overlaps, np.array([]))
    ours = score(GOT10K, [track(predicted, true, cover), track(more_predicted, more_true)])
    assert (ours.ao, ours.sr50) == pytest.approx((ao, sr), abs=1e-12)
    assert ours.success_curve == pytest.approx(curve, abs=1e-12)


half_pixels = arrays(float, (6, 4), elements=st.integers(4, 100).map(lambda value: value / 2))


@given(half_pixels, half_pixels)
def test_otb_curves_are_equal_where_all_boxes_are_valid(predicted, true):
    predicted[0] = true[0]
    success, precision = otb._calc_curves(*otb._calc_metrics(predicted, true))
    ours = score_sequence(OTB, track(predicted, true, origin=1))
    assert ours.success_curve == pytest.approx(success, abs=1e-12)
    assert ours.precision_curve == pytest.approx(precision, abs=1e-12)


def test_the_toolkit_lets_one_nan_box_spoil_the_mean_and_ours_counts_a_miss():
    predicted = np.vstack([BOX, BOX, np.full((1, 4), np.nan)])
    true = np.repeat(BOX, 3, axis=0)
    assert np.isnan(got10k._evaluate(toolkit_overlaps(predicted, true, np.full(3, 8)), np.array([]))[0])
    assert score(GOT10K, [track(predicted, true)]).ao == 0.5


def test_the_toolkit_clips_the_callers_own_boxes_and_ours_leaves_them():
    outside = np.array([[-10.0, 0, 20, 20]])
    ours = outside.copy()
    frame_errors(GOT10K, track(np.vstack([BOX, ours]), np.vstack([BOX, BOX])))
    assert ours.tolist() == outside.tolist()
    metrics.rect_iou(ours, BOX.copy(), bound=FRAME)
    assert ours.tolist() == [[0, 0, 20, 20]]


def test_the_toolkits_otb_experiment_scores_invalid_results_as_they_are():
    # The original toolkit, and ours, repeats the row before.
    predicted, true = np.vstack([BOX, [[0, 0, 0, 0]]]), np.repeat(BOX, 2, axis=0)
    overlaps, errors = otb._calc_metrics(predicted, true)
    assert (overlaps[1], errors[1] > 20) == (0, True)
    ours = score_sequence(OTB, track(predicted, true, origin=1))
    assert (ours.ao, ours.precision) == (1, 1)


def test_the_toolkits_otb_experiment_counts_frames_without_a_true_box_as_imprecise():
    # The original toolkit, and ours, gives them distance -1: a hit.
    predicted, true = np.repeat(BOX, 2, axis=0), np.vstack([BOX, np.full((1, 4), np.nan)])
    _, precision = otb._calc_curves(*otb._calc_metrics(predicted, true))
    assert precision[20] == 0.5
    assert score_sequence(OTB, track(predicted, true, origin=1)).precision == 1


def test_the_toolkits_speed_is_a_mean_of_rates_that_one_quick_frame_dominates():
    # 2 frames in 1.001 s are 2 frames a second, not 500.
    speed = got10k._evaluate(np.array([1.0]), np.array([1.0, 0.001]))[2]
    assert speed == pytest.approx(500.5)


def test_the_toolkit_gives_a_sequence_without_times_the_speed_of_the_one_before(tmp_path):
    for name in ("a", "b"):
        folder = tmp_path / "data/val" / name
        folder.mkdir(parents=True)
        for number in (1, 2):
            (folder / f"{number:08d}.jpg").touch()
        np.savetxt(folder / "groundtruth.txt", np.repeat(BOX, 2, axis=0), delimiter=",")
        for label in ("cover", "absence", "cut_by_image"):
            (folder / f"{label}.label").write_text("8\n8\n")
        (folder / "meta_info.ini").write_text("[METAINFO]\nresolution: (100, 80)\n")
        (tmp_path / "results/GOT-10k/mine" / name).mkdir(parents=True)
        np.savetxt(tmp_path / f"results/GOT-10k/mine/{name}/{name}_001.txt", np.repeat(BOX, 2, axis=0), delimiter=",")
    (tmp_path / "data/val/list.txt").write_text("a\nb\n")
    (tmp_path / "results/GOT-10k/mine/a/a_time.txt").write_text("0.1\n0.1\n")
    experiment = experiments.ExperimentGOT10k(
        str(tmp_path / "data"), "val", str(tmp_path / "results"), str(tmp_path / "reports"))
    experiment.plot_curves = lambda *arguments: None
    assert experiment.report(["mine"])["mine"]["seq_wise"]["b"]["speed_fps"] == 10
