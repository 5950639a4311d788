"""The command as a user runs it, killed and run again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import lmdb
import numpy as np
import pytest

from datasets.lmdb_cache import LmdbCache
from datasets.opencv import cv2

TOOL = Path(__file__).resolve().parents[2] / "tools/make_lmdb.py"


def command(*arguments):
    return [sys.executable, str(TOOL), *map(str, arguments)]


def make_lmdb(*arguments):
    return subprocess.run(command(*arguments), capture_output=True, text=True)


def content(folder):
    with lmdb.open(str(folder), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return dict(transaction.cursor())


@pytest.fixture
def got10k(tmp_path):
    """Build a train split whose frames all are one picture of `size` (width, height)."""

    def make(sequences, frames, size=(160, 120)):
        root = tmp_path / "GOT-10k"
        root.mkdir()
        picture = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        cv2.imwrite(str(root / "frame.jpg"), picture)
        for sequence in range(sequences):
            folder = root / "train" / f"s{sequence:02d}"
            folder.mkdir(parents=True)
            for frame in range(1, frames + 1):
                (folder / f"{frame:08d}.jpg").hardlink_to(root / "frame.jpg")
            (folder / "groundtruth.txt").write_text("20,20,30,40\n" * frames)
        return root

    return make


def test_caches_and_verifies(tmp_path, got10k):
    done = make_lmdb("--got10k", got10k(2, 3), "--out", tmp_path / "out", "--verify")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/out/got10k-train: 2 sequences, 6 frames\n"
    assert "caching got10k-train" in done.stderr and "6/6" in done.stderr
    assert LmdbCache(tmp_path / "out/got10k-train").names == ("s00", "s01")


def test_caches_objects(tmp_path):
    mask = cv2.circle(np.zeros((90, 120), np.uint8), (60, 45), 25, 255, -1)
    for name in ("images/v/00000001.jpg", "masks/v/00000001.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        cv2.imwrite(str(tmp_path / name), mask)
    done = make_lmdb("--objects", tmp_path / "images", "--masks", tmp_path / "masks", "--out", tmp_path / "out",
                     "--verify")
    assert done.stdout == f"{tmp_path}/out/objects: 1 sequences, 1 frames\n", done.stderr


def test_full_frames(tmp_path, got10k):
    root = got10k(1, 2)
    assert make_lmdb("--got10k", root, "--out", tmp_path / "out", "--full-frames").returncode == 0
    assert LmdbCache(tmp_path / "out/got10k-train").crop("s00", 0).image.shape == (120, 160, 3)


def test_goes_on_after_kill_9(tmp_path, got10k):
    root = got10k(16, 4, size=(1280, 960))
    arguments = ("--got10k", root, "--full-frames", "--workers", 1)
    folder = tmp_path / "killed/got10k-train"
    process = subprocess.Popen(command(*arguments, "--out", folder.parent), stderr=subprocess.DEVNULL)
    journal = folder / "progress.jsonl"
    deadline = time.monotonic() + 60
    while not (journal.is_file() and journal.read_text().count("\n") >= 2) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "manifest.json").exists()
    kept = journal.read_text().count("\n") - 1
    assert 1 <= kept < 16

    unfinished = make_lmdb("--out", folder.parent, "--verify")
    assert unfinished.returncode == 2 and "unfinished cache" in unfinished.stderr

    again = make_lmdb(*arguments, "--out", folder.parent, "--verify")
    assert again.returncode == 0, again.stderr
    assert make_lmdb(*arguments, "--out", tmp_path / "straight").returncode == 0
    assert content(folder) == content(tmp_path / "straight/got10k-train")


@pytest.mark.parametrize(("arguments", "message"), [
    (["--got10k", "nowhere"], "nowhere/train: folder not found; the GOT-10k root must hold train/"),
    (["--lasot", "nowhere"], "nowhere: LaSOT folder not found"),
    (["--images", "nowhere.json"], "nowhere.json: cannot read annotations (No such file or directory)"),
    ([], "nothing to cache; give --got10k, --lasot, --images, --synthetic or --objects"),
    (["--objects", "images"], "objects are cut from images by masks: give --objects and --masks together"),
    (["--objects", "images", "--masks", "nowhere"], "nowhere: no masks SEQ/NAME.png in this folder"),
    (["--got10k", "nowhere", "--workers", "0"], "--workers 0 is not possible; give 1 or more"),
])
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, arguments, message):
    done = make_lmdb(*arguments, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (2, f"error: {message}\n")
    assert not (tmp_path / "out").exists()


def test_corrupt_frame_is_named_and_the_cache_stays_unfinished(tmp_path, got10k):
    root = got10k(2, 3)
    bad = root / "train/s01/00000002.jpg"
    data = bad.read_bytes()
    bad.unlink()
    bad.write_bytes(data[:len(data) // 2])
    done = make_lmdb("--got10k", root, "--out", tmp_path / "out")
    assert done.returncode == 2 and f"error: {bad}: truncated image" in done.stderr
    assert not (tmp_path / "out/got10k-train/manifest.json").exists()
