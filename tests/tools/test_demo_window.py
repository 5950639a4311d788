"""The demo in a window, on a virtual display, with a real pointer and keys."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from datasets.opencv import cv2

display = pytest.importorskip("Xlib.display", reason="python-xlib is not installed")
from Xlib import XK, X  # noqa: E402
from Xlib.error import BadMatch  # noqa: E402
from Xlib.ext import xtest  # noqa: E402
from Xlib.protocol.event import ClientMessage  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
FRAMES, FPS, SIZE, SPEED = 180, 12, (240, 320), 1
BOX = (60, 80, 50, 40)  # x, y, w, h of the textured square in the first frame
ZOOM = 2  # a picture of 320 pixels is shown 640 wide
WAIT = 60.0


@pytest.fixture(scope="module")
def screen():
    """Name of a virtual display."""
    if not shutil.which("Xvfb"):
        pytest.skip("no Xvfb; install the system's package xvfb")
    read, write = os.pipe()
    server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "2000x1600x24"], pass_fds=[write],
                              stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as answer:
        number = answer.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(10)


@pytest.fixture
def video(tmp_path):
    """A square that moves to the right."""
    noise = np.random.default_rng(0)
    ground = cv2.resize(noise.integers(60, 120, (*(side // 8 for side in SIZE), 3), np.uint8), SIZE[::-1])
    square = cv2.resize(noise.integers(0, 255, (5, 6, 3), np.uint8), BOX[2:], interpolation=cv2.INTER_NEAREST)
    path = tmp_path / "in.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), FPS, SIZE[::-1])
    for number in range(FRAMES):
        frame, x, y = ground.copy(), BOX[0] + SPEED * number, BOX[1]
        frame[y:y + BOX[3], x:x + BOX[2]] = square
        writer.write(frame)
    writer.release()
    return path


class User:
    """The demo in a window, and who sits before it."""

    def __init__(self, screen, folder, *arguments):
        self.display = display.Display(screen)
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "tools/demo.py", "--source", "in.avi", "--out", "out.mp4", "--csv", "out.csv",
             *arguments], cwd=folder, env=os.environ | {"DISPLAY": screen, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.window = self.wait_for(self._find)
        self.wait_for(self._is_drawn)

    def _find(self):
        tree = self.display.screen().root.query_tree().children
        return next((window for window in tree if "in.avi" in (window.get_wm_name() or "")
                     and window.get_attributes().map_state == X.IsViewable), None)

    def _is_drawn(self):
        try:
            return self.window.get_geometry().width == SIZE[1] * ZOOM and self.picture().std() > 5
        except BadMatch:
            return False  # it had another size by then

    def wait_for(self, found):
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            if self.process.poll() is not None:
                pytest.fail(f"the demo ended: {self.process.stderr.read()}")
            if answer := found():
                return answer
            time.sleep(0.05)
        pytest.fail("nothing happened in the window")

    def picture(self):
        """What the window shows, (H, W, 3) BGR."""
        shape = self.window.get_geometry()
        image = self.window.get_image(0, 0, shape.width, shape.height, X.ZPixmap, 0xFFFFFFFF)
        return np.frombuffer(image.data, np.uint8).reshape(shape.height, shape.width, 4)[..., :3].astype(int)

    def stands_still(self):
        """Whether the window shows the same picture for longer than a frame."""
        before = self.picture()
        time.sleep(4 / FPS)
        return np.array_equal(self.picture(), before)

    def colour(self, colour):
        """How many pixels of the video have the colour."""
        return int((abs(self.picture()[:SIZE[0] * ZOOM] - colour).max(2) < 12).sum())

    def _fake(self, kind, detail=0, x=0, y=0):
        xtest.fake_input(self.display, kind, detail, x=x, y=y)
        self.display.sync()
        time.sleep(0.05)

    def drag(self, box):
        """Draw a box x, y, w, h in pixels of the video."""
        left, top = (getattr(self.window.get_geometry(), side) for side in "xy")
        x, y, w, h = (ZOOM * side for side in box)
        self._fake(X.MotionNotify, x=left + x, y=top + y)
        self._fake(X.ButtonPress, 1)
        for part in (0.5, 1):
            self._fake(X.MotionNotify, x=left + x + round(w * part), y=top + y + round(h * part))
        self._fake(X.ButtonRelease, 1)

    def key(self, name):
        # No window manager gives the window the keys, and a new size may take them away.
        self.window.set_input_focus(X.RevertToParent, X.CurrentTime)
        code = self.display.keysym_to_keycode(XK.string_to_keysym(name))
        self._fake(X.KeyPress, code)
        self._fake(X.KeyRelease, code)
        time.sleep(0.1)

    def cross(self):
        """Close the window as its frame's cross does."""
        kind, data = (self.display.intern_atom(name) for name in ("WM_PROTOCOLS", "WM_DELETE_WINDOW"))
        self.window.send_event(ClientMessage(window=self.window, client_type=kind, data=(32, [data, 0, 0, 0, 0])))
        self.display.sync()

    def end(self):
        """Exit code, and what was printed."""
        out, err = self.process.communicate(timeout=WAIT)
        return self.process.returncode, out + err


@pytest.fixture
def sit_down(screen, video, tmp_path):
    users = []

    def sit_down(*arguments):
        users.append(User(screen, tmp_path, *arguments))
        return users[-1]

    yield sit_down
    for user in users:
        user.process.kill()
        user.process.wait(10)
        user.display.close()


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def frames_of(path):
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        count += 1
    return count


def test_a_box_that_is_drawn_is_tracked_and_no_frame_is_lost(sit_down, tmp_path):
    user = sit_down()
    user.drag(BOX)
    user.wait_for(lambda: user.colour((80, 220, 60)) > 50)  # the box that waits is shown
    user.key("space")
    code, said = user.end()
    assert code == 0, said
    table = rows(tmp_path / "out.csv")
    assert [int(row["frame"]) for row in table] == list(range(FRAMES))
    assert frames_of(tmp_path / "out.mp4") == FRAMES
    assert [float(table[0][side]) for side in "xywh"] == pytest.approx(BOX, abs=1)
    assert float(table[-1]["x"]) == pytest.approx(BOX[0] + SPEED * (FRAMES - 1), abs=15)


def test_pause_next_object_snapshot_and_quit(sit_down, tmp_path):
    user = sit_down("--init-box", ",".join(map(str, BOX)))
    user.key("n")  # pauses, wherever it is
    user.wait_for(user.stands_still)
    user.drag((200, 20, 40, 40))
    user.wait_for(lambda: user.colour((255, 170, 40)) > 50)
    user.key("s")
    user.wait_for(lambda: list(tmp_path.glob("b2track-in-*.png")))
    user.key("space")
    user.wait_for(lambda: not user.stands_still())
    user.key("q")
    code, said = user.end()
    assert code == 0, said
    table = rows(tmp_path / "out.csv")
    assert {row["object"] for row in table} == {"1", "2"}
    assert 2 <= frames_of(tmp_path / "out.mp4") == len({row["frame"] for row in table}) < FRAMES
    (snapshot,) = tmp_path.glob("b2track-in-*.png")
    assert cv2.imread(str(snapshot)).shape == (*SIZE, 3)


def test_re_select_moves_the_object(sit_down, tmp_path):
    user = sit_down("--init-box", "200,20,40,40")
    user.key("r")
    user.wait_for(user.stands_still)
    user.drag((20, 150, 60, 30))
    user.key("space")
    user.key("Escape")
    assert user.end()[0] == 0
    shown = [tuple(round(float(row[side])) for side in "xywh") for row in rows(tmp_path / "out.csv")]
    assert (20, 150, 60, 30) in shown


def test_a_closed_window_leaves_whole_files(sit_down, tmp_path):
    user = sit_down("--init-box", ",".join(map(str, BOX)))
    user.key("space")
    user.cross()
    code, said = user.end()
    assert code == 0, said
    assert frames_of(tmp_path / "out.mp4") == len(rows(tmp_path / "out.csv")) > 0


def test_ctrl_c_while_paused_leaves_playable_partial_files(sit_down, tmp_path):
    user = sit_down("--init-box", ",".join(map(str, BOX)))
    user.key("space")
    user.process.send_signal(signal.SIGINT)
    assert user.end()[0] == 130
    assert not (tmp_path / "out.mp4").exists()
    assert frames_of(tmp_path / "out.partial.mp4") == len(rows(tmp_path / "out.partial.csv")) > 0


def test_leaving_without_a_box_is_said_and_writes_nothing(sit_down, tmp_path):
    user = sit_down()
    user.key("q")
    code, said = user.end()
    assert (code, said) == (2, "error: --init-box: none given and none drawn in the window\n")
    assert [path.name for path in tmp_path.iterdir()] == ["in.avi"]
