"""`eval/score.py` as a user types it."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eval import score
from tracker.cli import run

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden"
RIGHT = np.array([200, 0, 0, 0])


def command(monkeypatch, capsys, *arguments):
    """Exit code, stdout as one line and stderr of the command, in this process."""
    monkeypatch.setattr(sys, "argv", ["score.py", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        run(score.main)
    shown = capsys.readouterr()
    assert max(map(len, shown.out.splitlines()), default=0) <= 80
    return ended.value.code, " ".join(shown.out.split()), shown.err


@pytest.fixture
def scored(monkeypatch, capsys):
    return lambda *arguments: command(monkeypatch, capsys, *arguments)


@pytest.fixture
def folders(tmp_path):
    """Three sequences of four frames, a perfect tracker and one that lost its target."""
    for name, frames in (("a", 4), ("Jogging.1", 4), ("c", 4)):
        boxes = np.array([[10.0 + 2 * frame, 20, 30, 40] for frame in range(frames)])
        for folder, rows in (("gt", boxes), ("results/perfect", boxes), ("results/lost", boxes + RIGHT)):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            np.savetxt(tmp_path / folder / f"{name}.txt", rows, "%g", delimiter=",")
    return ["--gt", tmp_path / "gt", "--results", tmp_path / "results"]


def test_clean_results_are_a_table_and_exit_code_0(scored, folders, tmp_path):
    code, out, err = scored("--protocol", "otb", *folders, "--json", tmp_path / "scores.json")
    assert (code, err) == (0, "")
    assert "Rule: OTB rule." in out
    assert "pysot rule" in out
    assert ".952" in out
    lost, perfect = json.loads((tmp_path / "scores.json").read_text())
    assert (lost["tracker"], perfect["tracker"]) == ("lost", "perfect")
    # The first frame is given: a quarter of the frames.
    assert (lost["success"], lost["precision"]) == (pytest.approx(5 / 21), 0.25)
    assert perfect == {
        "tracker": "perfect", "success": pytest.approx(20 / 21), "precision": 1, "norm_precision": None,
        "protocol": "OTB rule", "sequences": 3, "missing": 0, "problems": [], "remarks": [],
        "others": [{"protocol": "pysot rule", "success": pytest.approx(20 / 21), "precision": 1,
                    "norm_precision": None}],
    }


def test_lasot_is_shown_with_absent_frames_missed_and_left_out(scored, folders, tmp_path):
    (tmp_path / "gt/absent").mkdir()
    for name in ("a", "Jogging.1", "c"):
        (tmp_path / f"gt/absent/{name}.txt").write_text("0\n0\n0\n1\n")
    code, out, _ = scored("--protocol", "lasot", *folders, "--trackers", "perfect", "--json", tmp_path / "s.json")
    assert code == 0
    [row] = json.loads((tmp_path / "s.json").read_text())
    assert (row["precision"], row["norm_precision"]) == (0.75, 0.75)
    left_out = {other["protocol"]: other["precision"] for other in row["others"]}
    assert left_out == {"LaSOT rule without absent frames": 1, "pysot rule for LaSOT": 0.75}
    assert "tracker sequences success precision prec." in out


def test_missing_labels_and_frame_sizes_are_said_without_being_a_failure(scored, folders):
    code, out, _ = scored("--protocol", "got10k", *folders)
    assert code == 0
    assert "Frame size unknown for a, c, Jogging.1: boxes are not confined to the frame." in out
    assert "No labels of absence for a, c, Jogging.1: every frame counts as showing the target." in out


def test_got10k_has_average_overlap(scored, tmp_path):
    code, out, _ = scored("--protocol", "got10k", "--gt", GOLDEN / "truth", "--results", GOLDEN / "results",
                          "--json", tmp_path / "s.json")
    assert code == 0
    [row] = json.loads((tmp_path / "s.json").read_text())
    expected = json.loads((GOLDEN / "expected.json").read_text())["GOT-10k rule"]["all"]
    assert [row[key] for key in ("ao", "sr50", "sr75")] == pytest.approx(
        [expected[key] for key in ("ao", "sr50", "sr75")], abs=1e-6)
    assert "unknown" not in out


def test_what_does_not_fit_is_named_counted_and_exit_code_1(scored, folders, tmp_path):
    (tmp_path / "results/lost/a.txt").unlink()
    (tmp_path / "results/lost/c.txt").write_text("1,2,3,4\nx\n")
    (tmp_path / "results/lost/d.txt").write_text("1,2,3,4\n")
    code, out, _ = scored("--protocol", "otb", *folders, "--json", tmp_path / "s.json")
    assert code == 1
    assert "2/3*" in out
    assert "* lost: no results, left out of the mean (1): a " in out
    assert "c.txt (2 rows for 4 frames)" in out
    lost, perfect = json.loads((tmp_path / "s.json").read_text())
    assert (lost["sequences"], lost["missing"]) == (2, 1)
    assert lost["problems"] == [
        "d.txt: no such sequence in the ground truth, not scored",
        "a: no results, left out of the mean",
        "c.txt (1: line 2): unreadable rows, scored as invalid boxes",
        "c.txt (2 rows for 4 frames): another length: the last row fills a short file, a long one is cut",
    ]
    assert perfect["problems"] == []


@pytest.mark.parametrize(("protocol", "how"), [
    ("otb", "as the row before by the OTB rule"), ("trackingnet", "as misses by the TrackingNet rule"),
    ("got10k", "as misses by the GOT-10k rule, as the row before by the OTB rule without absent frames"),
])
def test_invalid_boxes_are_a_remark_that_says_how_they_are_scored(scored, folders, tmp_path, protocol, how):
    (tmp_path / "results/lost/a.txt").write_text("1,2,3,4\nnan,nan,nan,nan\n1,2,-3,4\n1,2,3,4\n")
    code, out, _ = scored("--protocol", protocol, *folders, "--json", tmp_path / "s.json")
    assert code == 0
    kind = f"boxes that are not finite or without area, scored {how}"
    assert f" lost: {kind} (1): a.txt (2 of 4)" in out
    lost, perfect = json.loads((tmp_path / "s.json").read_text())
    assert (lost["remarks"], lost["problems"]) == ([f"a.txt (2 of 4): {kind}"], [])
    assert perfect["remarks"] == []


def test_a_header_is_skipped_and_said(scored, folders, tmp_path):
    file = tmp_path / "results/perfect/a.txt"
    file.write_text("x,y,w,h\n" + file.read_text())
    code, out, _ = scored("--protocol", "otb", *folders)
    assert code == 0
    assert "perfect: a first line that is no box, skipped (1): a.txt" in out
    assert "perfect 3/3 .952 1.000" in out


def test_sequences_left_out_of_a_mean_are_named(scored, folders, tmp_path):
    # A corner at 0 is no box by the OTB rule: without it not even the given frame hits.
    (tmp_path / "gt/a.txt").write_text("0,20,30,40\n" * 4)
    code, out, _ = scored("--protocol", "otb", *folders, "--trackers", "lost", "--json", tmp_path / "s.json")
    assert code == 0
    assert "3/3 " in out
    remark = "never hit, left out of success by the OTB rule"
    assert f" lost: {remark} (1): a " in f"{out} "
    assert json.loads((tmp_path / "s.json").read_text())[0]["remarks"] == [f"a: {remark}"]


def test_a_sequence_without_a_frame_to_score_is_named(scored, folders, tmp_path):
    (tmp_path / "gt/absent").mkdir()
    (tmp_path / "gt/absent/a.txt").write_text("1\n" * 4)
    _, out, _ = scored("--protocol", "got10k", *folders)
    rule = "the OTB rule without absent frames"
    assert f"perfect: no frame to score, left out of success, precision by {rule} (1): a" in out


def test_the_rules_own_columns_stay_where_nothing_was_scored(scored, folders, tmp_path):
    (tmp_path / "results/strange").mkdir()
    (tmp_path / "results/strange/lasot_a.txt").write_text("1,2,3,4\n")
    _, out, _ = scored("--protocol", "lasot", *folders, "--trackers", "strange")
    assert "tracker sequences success precision prec." in out
    assert "strange 0/3* - - -" in out


def test_thousands_of_problems_are_a_line(scored, folders, tmp_path):
    for number in range(300):
        (tmp_path / f"results/lost/extra{number:03d}.txt").write_text("1,2,3,4\n")
    _, out, _ = scored("--protocol", "otb", *folders)
    assert "(300): extra000.txt, extra001.txt, extra002.txt, extra003.txt, extra004.txt and 295 more" in out


def test_a_tracker_without_any_known_sequence_has_no_scores(scored, folders, tmp_path):
    (tmp_path / "results/strange").mkdir()
    (tmp_path / "results/strange/otb_a.txt").write_text("1,2,3,4\n")
    code, out, _ = scored("--protocol", "lasot", *folders, "--json", tmp_path / "s.json")
    assert code == 1
    assert "0/3*" in out
    row = json.loads((tmp_path / "s.json").read_text())[-1]
    assert (row["tracker"], row["sequences"], row["success"], row["norm_precision"]) == ("strange", 0, None, None)


def test_a_subset_is_listed_in_a_file(scored, folders, tmp_path):
    (tmp_path / "subset.txt").write_text("jogging-1\n\nA\n")
    code, out, _ = scored("--protocol", "otb", *folders, "--subset", tmp_path / "subset.txt")
    assert code == 0  # results of sequences outside the subset are no problem
    assert "2/2" in out


@pytest.mark.parametrize("text", ["NaN,NaN,NaN,NaN", "-5,-5,-3,-4", "0,0,0,0"])
@pytest.mark.parametrize("protocol", ["otb", "uav123", "dtb70", "lasot", "got10k", "trackingnet"])
def test_invalid_boxes_and_truth_never_give_more_than_a_number(scored, folders, tmp_path, protocol, text):
    (tmp_path / "results/lost/a.txt").write_text(f"{text}\n" * 4)
    (tmp_path / "gt/c.txt").write_text(f"10,20,30,40\n{text}\n{text}\n{text}\n")
    code, _, _ = scored("--protocol", protocol, *folders, "--json", tmp_path / "s.json")
    assert code == 0
    for row in json.loads((tmp_path / "s.json").read_text()):
        assert 0 <= row["success"] <= 1
        assert not math.isnan(row["precision"])


def test_names_like_markup_are_shown_as_they_are(scored, folders, tmp_path):
    (tmp_path / "results/perfect").rename(tmp_path / "results/[bold]perfect")
    _, out, _ = scored("--protocol", "otb", *folders)
    assert "[bold]perfect" in out


def test_bad_usage_is_one_line_and_exit_code_2(scored, folders, tmp_path):
    def says(*arguments):
        code, out, err = scored("--protocol", "otb", *folders, *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        return err

    (tmp_path / "subset.txt").write_text("Basketball\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "no results").mkdir()
    assert "nowhere: ground truth folder not found" in says("--gt", "nowhere")
    assert "nowhere: results folder not found" in says("--results", "nowhere")
    assert "nothing to score" in says("--results", tmp_path / "no results")
    assert "--subset" in says("--subset", tmp_path / "subset.txt")
    assert "Basketball is no sequence" in says("--subset", tmp_path / "subset.txt")
    assert "no names in this file" in says("--subset", tmp_path / "empty.txt")
    assert "nowhere.txt: cannot read" in says("--subset", "nowhere.txt")
    assert "--trackers best: no such tracker; there are lost, perfect" in says("--trackers", "best")
    assert "is a folder" in says("--json", tmp_path)
    assert "its folder does not exist" in says("--json", tmp_path / "nowhere/s.json")
    assert "cannot be written" in says("--json", tmp_path / f"{'s' * 300}.json")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that nobody can write to")
def test_a_place_that_cannot_be_written_is_refused_before_scoring(scored):
    # Nothing was looked at: neither folder exists.
    code, out, err = scored("--protocol", "otb", "--gt", "nowhere", "--results", "nowhere", "--json", "/proc/s.json")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--json /proc/s.json: cannot be written" in err


def test_trying_whether_a_file_can_be_written_leaves_nothing_behind(scored, folders, tmp_path):
    scored("--protocol", "otb", "--gt", "nowhere", "--results", "nowhere", "--json", tmp_path / "s.json")
    assert {path.name for path in tmp_path.iterdir()} == {"gt", "results"}


def test_an_unknown_protocol_is_refused(scored, folders):
    code, _, err = scored("--protocol", "vot", *folders)
    assert code == 2
    assert "invalid choice: 'vot'" in err


def test_it_starts_without_torch_and_plots(folders):
    # Scoring a benchmark takes seconds; so must starting.
    arguments = [sys.executable, "-X", "importtime", "eval/score.py", "--protocol", "otb", *map(str, folders)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for heavy in ("torch", "matplotlib", "cv2", "got10k"):
        assert f" {heavy}\n" not in done.stderr
