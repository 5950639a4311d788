import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import images, otb
from datasets.errors import DataError
from eval.boxes import centre_error
from eval.metrics import Track, score
from eval.peers.nanotrack import VERSIONS, NanoTrack, files, size_penalty
from eval.protocols import OTB
from eval.tracking import track
from tracker.errors import TrackerError


@pytest.mark.parametrize("name", VERSIONS)
def test_target_is_followed(nanotrack_folder, walk, name):
    frames, boxes = walk
    tracker = NanoTrack(*files(name, nanotrack_folder), VERSIONS[name], threads=1)
    tracker.init(frames[0], boxes[0])
    results = [tracker.update(frame) for frame in frames[1:]]
    found = np.stack([result.box for result in results])
    # A cell is 16 pixels of the crop, 7.6 of the frame; half of it is lost to rounding, half to the averages of the
    # stand-in, whose middles are not those of the grid.
    assert centre_error(found, boxes[1:]).max() <= 7.6 * np.sqrt(2)
    assert found[:, 2:] == pytest.approx(np.full((11, 2), 30), rel=0.02)
    assert all(0.5 < result.score <= 1 for result in results)


def test_no_box_gets_smaller_than_ten_pixels(nanotrack_folder, walk):
    tracker = NanoTrack(*files("nanotrack_v2", nanotrack_folder), VERSIONS["nanotrack_v2"], threads=1)
    tracker.init(walk[0][0], np.array([60.0, 50.0, 4.0, 4.0]))
    assert tracker.update(walk[0][1]).box[2:].tolist() == [10, 10]


def test_boxes_stay_by_the_frame_where_nothing_is_seen(nanotrack_folder):
    black = np.zeros((160, 240, 3), np.uint8)
    tracker = NanoTrack(*files("nanotrack_v3", nanotrack_folder), VERSIONS["nanotrack_v3"], threads=1)
    tracker.init(black, np.array([-20.0, -20.0, 30.0, 30.0]))
    for _ in range(5):
        box = tracker.update(black).box
        middle = box[:2] + box[2:] / 2
        assert (middle >= 0).all()
        assert (middle <= [240, 160]).all()


@given(width=st.floats(1, 500), height=st.floats(1, 500), factor=st.floats(0.1, 10))
def test_penalty_is_one_for_no_change_and_the_same_both_ways(width, height, factor):
    last = np.array([width, height])
    changed = last * [factor, 1]
    both = size_penalty(np.stack([last, changed], axis=1), last, k=0.15)
    assert both[0] == pytest.approx(1)
    assert 0 < both[1] <= 1 + 1e-9
    assert size_penalty(last[:, None], changed, k=0.15)[0] == pytest.approx(both[1])


def test_missing_or_foreign_files_are_named(nanotrack_folder, tmp_path):
    backbone, head = files("nanotrack_v2", nanotrack_folder)
    with pytest.raises(DataError, match=r"gone\.onnx: cannot read ONNX file"):
        NanoTrack(backbone, tmp_path / "gone.onnx", VERSIONS["nanotrack_v2"], 1)
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(DataError, match=r"text\.onnx: not an ONNX file"):
        NanoTrack(tmp_path / "text.onnx", head, VERSIONS["nanotrack_v2"], 1)


@pytest.mark.parametrize(("package", "error"), [("onnx", DataError), ("onnxruntime", TrackerError)])
def test_package_that_is_not_installed_is_named(nanotrack_folder, monkeypatch, package, error):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(error, match=f"^ONNX needs {package}; pip install onnx onnxruntime"):
        NanoTrack(*files("nanotrack_v2", nanotrack_folder), VERSIONS["nanotrack_v2"], 1)


@pytest.mark.parametrize(("name", "sequence", "success"), [
    ("nanotrack_v2", "Crossing", 0.712), ("nanotrack_v3", "Couple", 0.655),
])
def test_published_networks_score_as_the_reference(real_data, name, sequence, success):
    """All eight targets there: v2 .718 / .915, v3 .690 / .889; an independent port gave .716 / .915 and .689 / .888."""
    if not files(name, real_data / "nanotrack")[0].is_file():
        pytest.skip(f"no ONNX files in {real_data / 'nanotrack'}")
    video = {video.name: video for video in otb.load(real_data / "otb")}[sequence]
    tracker = NanoTrack(*files(name, real_data / "nanotrack"), VERSIONS[name], threads=1)
    height, width = images.read(video.frames[0]).shape[:2]
    result = Track(sequence, track(tracker, video)[0], video.boxes, video.visible, (width, height))
    assert score(OTB, [result]).success == pytest.approx(success, abs=0.01)
