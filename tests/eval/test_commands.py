"""The commands as a user types them, on untrained trackers."""

import importlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import stand_ins
from stand_ins import truth, write_frames

from eval.options import make_parser, read_options
from eval.runner import checkpoint_spec
from tracker.checkpoint import Checkpoint, save_checkpoint
from tracker.cli import run
from tracker.errors import TrackerError
from tracker.models import build_network

ROOT = Path(__file__).resolve().parents[2]
TINY = dict(
    type="siamese", backbone=dict(width=0.125, stride=16, stem="light"), neck_channels=8,
    head=dict(channels=8, depth=1),
)
ONE_BASED = np.array([1, 1, 0, 0])


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory) -> Path:
    """Two finished runs: full precision and its rival."""
    folder = tmp_path_factory.mktemp("work_dirs")
    for name, method, budget in (("demo/fp", "fp", None), ("demo/mixbin-0.3", "mixbin", 0.3)):
        save_checkpoint(folder / name / "checkpoint.pth", build_network(TINY), Checkpoint(TINY))
        summary = dict(tracker=name, method=method, budget=budget, flops_ratio=budget or 1.0, params_1bit=0,
                       params_32bit=1000, seed=0)
        (folder / name / "summary.json").write_text(json.dumps(summary))
    return folder


def command(name, *arguments):
    """Run eval/NAME.py as its own process."""
    return subprocess.run([sys.executable, ROOT / "eval" / f"{name}.py", *map(str, arguments)],
                          capture_output=True, text=True)


def called(monkeypatch, name, *arguments):
    """Exit code of eval/NAME.py in this process."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    return importlib.import_module(f"eval.{name}").main()


def refused(monkeypatch, capsys, name, *arguments):
    """The one line on stderr with which eval/NAME.py ends, in this process."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        run(importlib.import_module(f"eval.{name}").main)
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_all_runs_are_compared_on_got10k_and_a_second_call_only_reports(work_dir, got10k_root, tmp_path):
    call = ["run_got10k", "--got10k", got10k_root, "--work-dir", work_dir, "--out", tmp_path / "out",
            "--workers", 2, "--threads", 1]
    first = command(*call)
    assert first.returncode == 0, first.stderr
    assert "demo/mixbin-0.3" in first.stdout
    assert "GOT-10k rule" in first.stdout
    rows = json.loads((tmp_path / "out/results.json").read_text())
    assert [row["tracker"] for row in rows] == ["demo/fp", "demo/mixbin-0.3"]
    assert all(0 <= row["ao"] <= 1 and row["fps"] > 0 for row in rows)
    assert first.stderr.splitlines()[-1].startswith("4/4 got10k-val demo/")
    assert (tmp_path / "out/success.png").exists()
    boxes = tmp_path / "out/demo/fp/a.txt"
    assert boxes.read_text().startswith("5.0000,8.0000,12.0000,10.0000\n")

    before = boxes.stat().st_mtime_ns
    second = command(*call)
    assert (second.returncode, boxes.stat().st_mtime_ns) == (0, before)
    assert json.loads((tmp_path / "out/results.json").read_text()) == rows


def test_the_test_split_gives_result_files_and_no_scores(work_dir, got10k_root, tmp_path):
    done = command("run_got10k", "--got10k", got10k_root, "--split", "test", "--out", tmp_path / "out",
                   "--checkpoint", work_dir / "demo/fp/checkpoint.pth")
    assert done.returncode == 0, done.stderr
    assert "nothing is scored" in done.stdout
    assert len((tmp_path / "out/fp/c.txt").read_text().splitlines()) == 4
    assert not (tmp_path / "out/results.json").exists()
    with zipfile.ZipFile(tmp_path / "out/fp.zip") as archive:
        assert archive.namelist() == ["c/c_001.txt", "c/c_time.txt"]


def test_a_submission_that_would_lack_a_sequence_is_refused_by_name(
    work_dir, got10k_root, tmp_path, monkeypatch, capsys
):
    write_frames(got10k_root / "test/d", truth(3))
    np.savetxt(got10k_root / "test/d/groundtruth.txt", truth(1), fmt="%.4f", delimiter=",")
    (got10k_root / "test/list.txt").write_text("c\nd\n")
    assert called(monkeypatch, "run_got10k", "--got10k", got10k_root, "--split", "test", "--out", tmp_path / "out",
                  "--checkpoint", work_dir / "demo/fp/checkpoint.pth", "--sequences", "c", "--threads", 1) == 0
    assert "1 of 2 sequences have no result: d" in capsys.readouterr().out
    assert not (tmp_path / "out/fp.zip").exists()


def test_ranks_of_torchrun_share_the_sequences_and_the_first_one_reports(work_dir, got10k_root, tmp_path):
    (got10k_root / "val/a/00000003.png").write_bytes(b"no image")
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", ROOT / "eval/run_got10k.py",
         "--got10k", got10k_root, "--out", tmp_path / "out", "--checkpoint", work_dir / "demo/fp/checkpoint.pth",
         "--workers", "1", "--threads", "1"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.count("GOT-10k rule") == done.stdout.count("FAILED: fp on 1 (a)") == 1
    assert "a/00000003.png:" in done.stdout
    assert (tmp_path / "out/fp/b.txt").exists()


def test_many_starts_stand_beside_the_one_pass(work_dir, got10k_root, tmp_path, monkeypatch, capsys):
    assert called(monkeypatch, "run_got10k", "--got10k", got10k_root, "--work-dir", work_dir, "--out", tmp_path / "out",
                  "--workers", 1, "--multi-start", "--start-every", 2, "--run-frames", 3, "--least-frames", 2) == 0
    assert "Many starts: mean over targets" in capsys.readouterr().out
    fp, mixbin = json.loads((tmp_path / "out/results.json").read_text())
    assert (fp["multi_start_targets"], fp["multi_start_runs"]) == (2, 6)
    assert mixbin["multi_start_reference"] == "demo/fp"
    assert "standard error" in (tmp_path / "out/table.md").read_text()
    dataset = json.loads((tmp_path / "out/dataset.json").read_text())
    assert dataset["multi_start"] == {"every": 2, "length": 3, "least": 2}


@pytest.fixture
def peers(monkeypatch, tmp_path):
    """One peer that can be had and one that cannot, in the place of the real ones."""
    from eval import peers

    (tmp_path / "static.txt").write_text("static")

    def find(names, nanotrack, threads):
        spec = checkpoint_spec("mil", tmp_path / "static.txt", stand_ins.load, {"method": "peer"})
        return [spec] if "mil" in names else [], ["csrt: not in this OpenCV"] if "csrt" in names else []

    monkeypatch.setattr(peers, "find_peers", find)


@pytest.mark.parametrize(("more", "names"), [
    ([], ["demo/fp", "demo/mixbin-0.3", "mil"]),
    (["--peers-only"], ["mil"]),
    (["--work-dir", "none"], ["mil"]),
])
def test_peers_stand_beside_ones_own_trackers_or_alone(peers, work_dir, more, names):
    arguments = ["--work-dir", str(work_dir), "--peers", "mil", *more]
    options = read_options(make_parser("").parse_args(arguments))
    assert [spec.name for spec in options.trackers] == names


def test_peers_that_are_missing_here_are_named_beside_the_others(peers, got10k_root, tmp_path, monkeypatch, capsys):
    assert called(monkeypatch, "run_got10k", "--got10k", got10k_root, "--out", tmp_path / "out", "--workers", 1,
                  "--peers-only", "--peers", "csrt,mil") == 0
    assert "csrt: not in this OpenCV" in capsys.readouterr().out
    assert [row["tracker"] for row in json.loads((tmp_path / "out/results.json").read_text())] == ["mil"]
    with pytest.raises(TrackerError, match=r"none of them is to be had here .csrt: not in this OpenCV"):
        read_options(make_parser("").parse_args(["--peers-only", "--peers", "csrt"]))


def test_the_trackers_of_the_package_go_by_their_names(tmp_path):
    options = read_options(make_parser("").parse_args(["--ready", "--work-dir", str(tmp_path)]))
    assert [spec.name for spec in options.trackers] == ["ready", "ready-fp"]


def test_otb_results_are_1_based_and_a_bad_frame_fails_its_sequence_only(work_dir, tmp_path):
    for name in ("Good", "Bad"):
        folder = tmp_path / "otb" / name
        write_frames(folder / "img", truth(3), "{:04d}.jpg")
        np.savetxt(folder / "groundtruth_rect.txt", truth(3) + ONE_BASED, "%d", delimiter="\t")
    paths = sorted((tmp_path / "otb/Bad/img").iterdir())
    paths[1].write_bytes(paths[1].read_bytes()[:100])
    done = command("run_otb", "--root", tmp_path / "otb", "--work-dir", work_dir)
    assert done.returncode == 1, done.stderr
    assert "FAILED: demo/fp on 1 (Bad)" in done.stdout
    assert "0002.jpg" in done.stdout
    out = work_dir / "eval/otb"
    assert (out / "demo/fp/Good.txt").read_text().startswith("6.0000,9.0000,")
    assert json.loads((out / "results.json").read_text())[0]["ao"] is None


def test_lasot_has_normalised_precision(work_dir, tmp_path):
    folder = tmp_path / "lasot/car/car-1"
    write_frames(folder / "img", truth(3), "{:08d}.jpg")
    np.savetxt(folder / "groundtruth.txt", truth(3) + ONE_BASED, "%d", delimiter=",")
    for label in ("full_occlusion", "out_of_view"):
        (folder / f"{label}.txt").write_text("0,0,0\n")
    (tmp_path / "lasot/testing_set.txt").write_text("car-1\n")
    done = command("run_lasot", "--root", tmp_path / "lasot", "--work-dir", work_dir, "--sequences", "car-1")
    assert done.returncode == 0, done.stderr
    row = json.loads((work_dir / "eval/lasot-test/results.json").read_text())[0]
    assert 0 <= row["norm_precision"] <= 1


@pytest.mark.parametrize("name", ["run_got10k", "run_otb", "run_lasot"])
def test_help_is_at_hand(name):
    assert "--workers" in command(name, "--help").stdout


def same_name(folder):
    """Options for two checkpoints that are not in run directories and have one file name."""
    paths = [folder / name / "checkpoint.pth" for name in ("x", "y")]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(b"")
    return [word for path in paths for word in ("--checkpoint", path)]


def test_bad_input_is_one_line_that_names_it(work_dir, got10k_root, tmp_path, monkeypatch, capsys):
    def says(*arguments):
        return refused(monkeypatch, capsys, *arguments)

    got10k = ["run_got10k", "--got10k", got10k_root, "--out", tmp_path / "out", "--work-dir", work_dir]
    assert f"below {tmp_path}" in says("run_got10k", "--work-dir", tmp_path)
    assert "nowhere.pth: no such file" in says(*got10k, "--checkpoint", "nowhere.pth")
    assert "nowhere/val: folder not found" in says(*got10k, "--got10k", "nowhere")
    assert "nowhere" in says("run_otb", "--root", "nowhere", "--work-dir", work_dir)
    assert "testing_set.txt" in says("run_lasot", "--root", got10k_root, "--work-dir", work_dir)
    assert "--sequences z: no such sequence; there are a, b" in says(*got10k, "--sequences", "z")
    assert "--workers 0" in says(*got10k, "--workers", 0)
    assert "--device tpu" in says(*got10k, "--device", "tpu")
    assert "--start-every" in says(*got10k, "--start-every", 3)
    assert "--start-every 0" in says(*got10k, "--multi-start", "--start-every", 0)
    assert "--reference z: no such tracker" in says(*got10k, "--multi-start", "--reference", "z")
    assert "--multi-start: got10k-test" in says(*got10k, "--split", "test", "--multi-start")
    assert "--peers-only: needs --peers" in says(*got10k, "--peers-only")
    assert "2 trackers would be called 'checkpoint'" in says(*got10k, *same_name(tmp_path))
    (tmp_path / "file").write_text("")
    assert "results cannot be written here" in says(*got10k[:3], "--work-dir", work_dir, "--out", tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in says("run_otb", "--root", tmp_path / "empty", "--work-dir", work_dir)
    foreign = tmp_path / "foreign.pth"
    foreign.write_bytes(b"no checkpoint")
    assert "foreign.pth" in says(*got10k, "--checkpoint", foreign)
    assert not (tmp_path / "out").exists()
