"""The demo as a user types it, with an untrained tracker."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from datasets.opencv import cv2
from tracker import demo
from tracker.checkpoint import Checkpoint, save_checkpoint
from tracker.cli import run
from tracker.models import build_network
from tracker.ready import READY_MODEL

ROOT = Path(__file__).resolve().parents[2]
TINY = dict(
    type="siamese", backbone=dict(width=0.125, stride=16, stem="light"), neck_channels=8,
    head=dict(channels=8, depth=1),
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a folder of images and a finished run, no display."""
    for number in range(4):
        image = np.full((120, 160, 3), 20, np.uint8)
        image[40:70, 50 + 3 * number:80 + 3 * number] = 255
        (tmp_path / "frames").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"frames/{number}.png"), image)
    save_checkpoint(tmp_path / "work_dirs/fp/checkpoint.pth", build_network(TINY), Checkpoint(TINY))
    (tmp_path / "work_dirs/fp/summary.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def options(**changes) -> demo.DemoOptions:
    given = dict(source="frames", init_boxes=["50,40,30,30"], out=Path("out.mp4"), csv=None,
                 checkpoint=Path("work_dirs/fp/checkpoint.pth"))
    return demo.DemoOptions(**given | changes)


def test_one_command_makes_video_and_table_with_the_tracker_of_the_package(place):
    done = subprocess.run(
        [sys.executable, ROOT / "tools/demo.py", "--source", "frames", "--init-box", "50,40,30,30",
         "--out", "out.mp4", "--csv", "out.csv"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "4 frames tracked out.mp4 out.csv\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("networks run packed")
    assert len((place / "out.csv").read_text().splitlines()) == 5
    assert (place / "out.mp4").stat().st_size > 0


def test_errors_are_one_line_and_exit_code_2(place):
    done = subprocess.run(
        [sys.executable, ROOT / "tools/demo.py", "--source", "nothing.mp4", "--init-box", "1,2,3,4",
         "--csv", "out.csv", "--checkpoint", "work_dirs/fp/checkpoint.pth"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --source nothing.mp4: no such file or folder\n"


@pytest.mark.parametrize(("changes", "message"), [
    (dict(init_boxes=["1,2,3"]), "--init-box 1,2,3: expected x,y,w,h"),
    (dict(init_boxes=["a,b,c,d"]), "--init-box a,b,c,d: expected"),
    (dict(init_boxes=["nan,1,2,3"]), "--init-box nan,1,2,3: expected"),
    (dict(init_boxes=["500,40,30,30"]), "outside the frame of 160x120"),
    (dict(init_boxes=["50,40,0,30"]), "no area"),
    (dict(init_boxes=[]), "--init-box: needed, because there is no display"),
    (dict(init_boxes=[], out=None, source="nothing.mp4"), "--source nothing.mp4: no such file or folder"),
    (dict(init_boxes=[], checkpoint=Path("nowhere.pth")), "--checkpoint nowhere.pth: no such file"),
    (dict(checkpoint=READY_MODEL, packed=False), "nano.packed is a packed tracker and runs in no other form"),
    (dict(out=None), "--out: needed"),
    (dict(out=Path("out.txt")), "must end with one of .mp4"),
    (dict(out=Path("nowhere/out.mp4")), "no such folder nowhere"),
    (dict(out=Path("old.mp4")), "old.mp4: exists already; pass --overwrite"),
    (dict(source="old.mp4", out=Path("old.mp4"), overwrite=True), "is the source itself"),
    (dict(source="old.mp4"), "cannot be opened, or is no video"),
    (dict(source="empty"), "no JPEG or PNG"),
    (dict(checkpoint=Path("nowhere.pth")), "nowhere.pth"),
    (dict(device="tpu"), "--device tpu"),
])
def test_bad_input_writes_nothing(place, monkeypatch, capsys, changes, message):
    (place / "old.mp4").write_text("old")
    (place / "empty").mkdir()
    before = sorted(place.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        run(lambda: demo.run_demo(options(**changes)))
    assert ended.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert sorted(place.rglob("*")) == before
    assert (place / "old.mp4").read_text() == "old"


def test_existing_files_are_replaced_when_asked(place):
    (place / "out.mp4").write_text("old")
    assert demo.run_demo(options(overwrite=True)) == 4
    assert (place / "out.mp4").read_bytes() != b"old"


def test_without_a_checkpoint_the_tracker_of_the_package_is_used():
    assert demo.DemoOptions("video.mp4", [], None, None).checkpoint == READY_MODEL
    assert READY_MODEL.is_file()


def test_several_boxes_are_several_objects(place):
    assert demo.run_demo(options(init_boxes=["50,40,30,30", "10,10,20,20"], out=None, csv=Path("out.csv"))) == 4
    rows = [line.split(",") for line in (place / "out.csv").read_text().splitlines()[1:]]
    assert [(row[0], row[-1]) for row in rows] == [(str(frame), each) for frame in range(4) for each in "12"]


@pytest.mark.parametrize(("framework", "display", "expected"), [("QT", ":0", True), ("QT", "", False),
                                                                ("", ":0", False)])
def test_a_window_needs_a_display_and_an_opencv_that_can(monkeypatch, framework, display, expected):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: framework)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert demo.has_display() is expected
