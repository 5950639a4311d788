"""Published figures from the trackers' published result files; skipped where these are not at hand."""

import csv
from pathlib import Path

import pytest

from eval.scoreboard import score_results


@pytest.fixture(scope="session")
def reference(real_data) -> Path:
    folder = real_data / "reference_results"
    if not folder.is_dir():
        pytest.skip(f"no reference results in {folder}")
    return folder


def scores(benchmark, folder, tracker, subset=None, truth=None):
    """Scores by the benchmark's own rule."""
    board = score_results(benchmark, truth or folder / "gt", folder / "results", subset, [tracker])
    return board.rows[0].curves


@pytest.mark.parametrize(("benchmark", "folder", "tracker", "success", "precision"), [
    ("uav123", "UAV123_10fps", "ARCF-HC", 0.473, 0.666),
    ("uav123", "UAV123_10fps", "ARCF-H", 0.434, 0.612),
    ("dtb70", "DTB70", "NanoTrackV1", 0.532, 0.727),
    ("dtb70", "DTB70", "NanoTrackV3", 0.628, 0.815),
    ("dtb70", "DTB70", "LightTrack", 0.591, 0.766),
    ("otb", "OTB100", "MUSTER", 0.575, 0.774),
])
def test_published_figures_are_reproduced(reference, benchmark, folder, tracker, success, precision):
    found = scores(benchmark, reference / folder, tracker)
    assert (found.success, found.precision) == pytest.approx((success, precision), abs=0.0005)


def test_siamfcs_published_success_is_reproduced(reference):
    assert scores("otb", reference / "OTB100", "SiamFC-3s").success == pytest.approx(0.582, abs=0.0005)


def test_the_51_targets_of_2013(reference):
    found = scores("otb", reference / "OTB100", "MUSTER", reference / "OTB100/otb2013.txt")
    assert len(found.sequences) == 51
    assert (found.success, found.precision) == pytest.approx((0.641, 0.865), abs=0.0005)


@pytest.mark.parametrize(("tracker", "success", "precision"), [
    ("NanoTrackV1", 0.531825, 0.727224), ("NanoTrackV3", 0.628362, 0.814998), ("LightTrack", 0.590749, 0.766395),
])
def test_pysots_figures_are_reproduced(reference, tracker, success, precision):
    folder = reference / "DTB70"
    [row] = score_results("dtb70", folder / "gt", folder / "results", trackers=[tracker]).rows
    [pysot] = row.others
    assert (pysot.success, pysot.precision) == pytest.approx((success, precision), abs=1e-6)


def struck_truth(reference, tmp_path, cut_clifbar, unshifted_tiger):
    """The ground truth of OTB-100 with the two sequences that Struck's run has otherwise."""
    source = reference / "OTB100"
    for file in (source / "gt").iterdir():
        (tmp_path / file.name).symlink_to(file)
    replaced = {}
    if cut_clifbar:
        replaced["ClifBar.txt"] = (source / "gt/ClifBar.txt").read_text().splitlines()[:329]
    if unshifted_tiger:
        replaced["Tiger1.txt"] = (source / "gt_unaligned/Tiger1.txt").read_text().splitlines()[:349]
    for name, rows in replaced.items():
        (tmp_path / name).unlink()
        (tmp_path / name).write_text("\n".join(rows))
    return tmp_path


@pytest.mark.parametrize(("cut_clifbar", "unshifted_tiger", "success", "precision"), [
    (False, False, 0.461643, 0.638648), (True, False, 0.462500, 0.640380), (True, True, 0.461699, 0.639062),
], ids=["as it is", "ClifBar cut", "its own repository's"])
def test_struck_in_three_variants(reference, tmp_path, cut_clifbar, unshifted_tiger, success, precision):
    truth = struck_truth(reference, tmp_path, cut_clifbar, unshifted_tiger)
    found = scores("otb", reference / "OTB100", "Struck", truth=truth)
    assert (found.success, found.precision) == pytest.approx((success, precision), abs=1e-6)


@pytest.mark.parametrize(("benchmark", "folder"), [
    ("otb", "OTB100"), ("uav123", "UAV123_10fps"), ("dtb70", "DTB70")])
def test_every_sequence_scores_what_the_toolkit_gives(reference, benchmark, folder):
    with open(reference / folder / "per_sequence_toolkit.csv", newline="") as file:
        expected = {(row["tracker"], row["sequence"]): (float(row["success_auc"]), float(row["precision20"]))
                    for row in csv.DictReader(file)}
    board = score_results(benchmark, reference / folder / "gt", reference / folder / "results")
    found = {(row.tracker, one.name): (one.success, one.precision)
             for row in board.rows for one in row.curves.sequences}
    assert found.keys() >= expected.keys()
    for key, figures in expected.items():
        assert found[key] == pytest.approx(figures, abs=1e-5), key
