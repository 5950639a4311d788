"""What a tracker's file holds decides what runs it, and which wishes are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from b2nn.packed.library import library
from tracker.errors import TrackerError
from tracker.form import choose_packed, files_of, form_of
from tracker.ready import READY_MODEL


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    (tmp_path / "checkpoint.pth").touch()
    return tmp_path / "checkpoint.pth"


@pytest.fixture
def graphs(tmp_path: Path) -> Path:
    for name in ("template.onnx", "search.onnx"):
        (tmp_path / name).touch()
    return tmp_path


def test_checkpoints_run_as_they_are_told_and_exports_in_their_own_form(checkpoint, graphs):
    assert [form_of(path, packed=False) for path in (checkpoint, READY_MODEL, graphs)] == [
        "torch", "packed", "onnxruntime"]
    assert [form_of(path, packed=True) for path in (checkpoint, READY_MODEL, graphs)] == [
        "packed", "packed", "onnxruntime"]


def test_a_folder_of_graphs_is_two_files(checkpoint, graphs):
    assert files_of(graphs) == [graphs / "template.onnx", graphs / "search.onnx"]
    assert files_of(checkpoint) == [checkpoint]


def test_a_packed_file_runs_in_no_other_form(checkpoint):
    with pytest.raises(TrackerError, match=r"--no-packed: .*nano.packed is a packed tracker .* name the checkpoint"):
        choose_packed(False, "cpu", [checkpoint, READY_MODEL])
    assert choose_packed(False, "cpu", [checkpoint]) is False


def test_graphs_cannot_be_packed(checkpoint, graphs):
    with pytest.raises(TrackerError, match=r"--packed: .* is a folder of ONNX graphs, which cannot be packed"):
        choose_packed(True, "cpu", [checkpoint, graphs])
    assert choose_packed(False, "cpu", [graphs]) is False


@pytest.mark.parametrize(("wanted", "device", "packed"), [(None, "cuda", False), (False, "cpu", False),
                                                          (True, "cpu", True)])
def test_what_commands_do_by_default(wanted, device, packed):
    assert choose_packed(wanted, device) is packed
    assert choose_packed(None, "cpu") is (library() is not None)


def test_packed_networks_are_for_the_cpu():
    with pytest.raises(TrackerError, match="--packed: packed networks run on the CPU only, not on cuda"):
        choose_packed(True, "cuda")
