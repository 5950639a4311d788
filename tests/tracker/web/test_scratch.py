"""Temporary files: gone at the end, and after a crash with the next start."""

import subprocess
import sys

from tracker.web.scratch import scratch_folder

KILLED = """
import os, sys
from pathlib import Path
from tracker.web.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "upload.mp4").write_bytes(b"x")
    print(folder, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_the_folder_goes_with_the_block(tmp_path):
    with scratch_folder(tmp_path) as folder:
        (folder / "video.mp4").write_bytes(b"x")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_server_left_is_removed_and_what_runs_is_kept(tmp_path):
    with scratch_folder(tmp_path) as running:
        left = subprocess.run([sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True).stdout.strip()
        assert left in map(str, tmp_path.iterdir())
        with scratch_folder(tmp_path) as folder:
            assert set(tmp_path.iterdir()) == {running, folder}


def test_folders_of_others_are_left_alone(tmp_path):
    (tmp_path / "b2track-web-mine").mkdir()
    with scratch_folder(tmp_path):
        assert (tmp_path / "b2track-web-mine").is_dir()
