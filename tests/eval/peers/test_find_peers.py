import pickle

import pytest

from datasets.errors import DataError
from datasets.opencv import cv2
from eval.peers import PEERS, find_peers


def test_specs_can_be_sent_to_other_processes_and_make_their_trackers(nanotrack_folder):
    specs, missing = find_peers(["nanotrack_v3", "mil", "mil"], nanotrack_folder, threads=1)
    assert ([spec.name for spec in specs], missing) == (["nanotrack_v3", "mil"], [])
    for spec in pickle.loads(pickle.dumps(specs)):
        assert hasattr(spec.load("cpu"), "update")


def test_specs_say_what_they_are_made_from(nanotrack_folder):
    (second, third, mil), _ = find_peers(["nanotrack_v2", "nanotrack_v3", "mil"], nanotrack_folder, threads=1)
    assert mil.source == f"OpenCV {cv2.__version__} MIL"
    assert mil.summary == {"method": "peer"}
    assert second.source.endswith("nanotrackv2_head.onnx")
    assert second.summary["params_32bit"] == 3 * 15 * 15 + 6 + 2 + 4 * 16 * 16  # all constants of both graphs
    assert second.summary["counted_flops"] == 2 * 16 * 16 * 3 * 15 * 15  # one convolution
    assert len({second.sha256, third.sha256, mil.sha256}) == 3


def test_what_this_opencv_lacks_is_a_line_and_not_an_error(monkeypatch):
    monkeypatch.delattr(cv2, "TrackerKCF_create", raising=False)
    specs, missing = find_peers(["kcf", "mil"], None, threads=1)
    assert [spec.name for spec in specs] == ["mil"]
    assert [line.split(":")[0] for line in missing] == ["kcf"]


def test_wrong_options_are_named(nanotrack_folder, tmp_path):
    with pytest.raises(DataError, match=f"--peers siamfc: unknown; choose among {', '.join(PEERS)}"):
        find_peers(["siamfc"], None, threads=1)
    with pytest.raises(DataError, match="--peers nanotrack_v2: name the folder of its ONNX files with --nanotrack DIR"):
        find_peers(["nanotrack_v2"], None, threads=1)
    with pytest.raises(DataError, match=r"--nanotrack .*: no nanotrackv2_backbone\.onnx in this folder"):
        find_peers(["nanotrack_v2"], tmp_path, threads=1)
