"""Cameras and streams that are slow to answer keep nobody waiting."""

import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import Future

import numpy as np
import pytest

from tests.conftest import ROOT
from tracker import opening
from tracker.errors import TrackerError
from tracker.video import Source, shown

FRAME = np.zeros((20, 30, 3), np.uint8)


class Camera:
    """Answers when it is told to."""

    def __init__(self, monkeypatch):
        self.answer, self.released = Future(), Future()
        monkeypatch.setattr(opening, "open_source", lambda name: self.answer.result(20))

    def frames(self):
        try:
            while True:
                time.sleep(0.01)
                yield FRAME
        finally:
            self.released.set_result(True)

    def source(self):
        frames = self.frames()
        return Source("0", next(frames), frames, None, 30.0, True)


@pytest.fixture
def camera(monkeypatch):
    return Camera(monkeypatch)


def test_a_camera_that_answers_is_a_source_with_its_newest_frame(camera):
    future = opening.opening("0")
    assert not future.done()
    camera.answer.set_result(camera.source())
    source = future.result(20)
    assert source.rest.take(20) is FRAME
    source.rest.close()
    assert camera.released.result(20)


def test_a_camera_that_answers_too_late_is_released(camera):
    assert opening.opening("0").cancel()
    camera.answer.set_result(camera.source())
    assert camera.released.result(20)


def test_its_error_comes_through(camera):
    future = opening.opening("0")
    camera.answer.set_exception(TrackerError("no picture"))
    with pytest.raises(TrackerError, match="no picture"):
        future.result(20)


@pytest.fixture
def silent():
    """Address of a stream that accepts everybody and says nothing; waits until somebody has come."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield f"127.0.0.1:{server.getsockname()[1]}", server.accept


def test_ctrl_c_ends_at_once_where_a_stream_is_silent(silent, tmp_path):
    address, somebody = silent
    with subprocess.Popen([sys.executable, ROOT / "tools/demo.py", "--source", f"rtsp://{address}/x", "--init-box",
                           "1,1,9,9", "--csv", "x.csv"], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as demo:
        line, _ = somebody()
        time.sleep(0.3)
        start = time.monotonic()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(20) == 130
        assert time.monotonic() - start < 3
        assert demo.stderr.read() == f"connecting to rtsp://{address}/x\ninterrupted\n"
        line.close()


def test_a_password_is_not_printed():
    assert shown("rtsp://user:p@w@10.0.0.5/x") == "rtsp://…@10.0.0.5/x"
    assert shown("rtsp://user:pw@") == "rtsp://…@"
    assert shown("rtsp://10.0.0.5/x") == "rtsp://10.0.0.5/x" and shown("a@b.avi") == "a@b.avi"
