"""What a tracker's file holds, and so what runs its network."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from b2nn.packed.file import is_packed
from b2nn.packed.library import kernel, library
from tracker.errors import TrackerError
from tracker.onnx_network import SEARCH, TEMPLATE, has_graphs

Form = Literal["torch", "packed", "onnxruntime"]


def form_of(path: Path, packed: bool) -> Form:
    """What runs the network of a file.

    Args:
        path: a checkpoint, a packed tracker, or a folder of ONNX graphs.
        packed: whether checkpoints are packed.
    """
    if has_graphs(path):
        return "onnxruntime"
    return "packed" if packed or (path.is_file() and is_packed(path)) else "torch"


def files_of(path: Path) -> list[Path]:
    """All that a tracker is read from: the file itself, or both graphs of a folder."""
    return [path / TEMPLATE, path / SEARCH] if has_graphs(path) else [path]


def choose_packed(wanted: bool | None, device: str, files: Iterable[Path] = ()) -> bool:
    """Whether a command packs networks: as the user wants, or if None, where the compiled kernels can run.

    Args:
        files: that trackers are read from, see `form_of`.

    Raises:
        TrackerError: packed networks are wanted elsewhere than on the CPU, or a file runs in no such form.
    """
    if wanted and device != "cpu":
        raise TrackerError(f"--packed: packed networks run on the CPU only, not on {device}; leave --device out")
    for file in files if wanted is not None else ():
        form = form_of(file, False)
        if wanted and form == "onnxruntime":
            raise TrackerError(f"--packed: {file} is a folder of ONNX graphs, which cannot be packed; name the "
                               "checkpoint that they were exported from with --checkpoint")
        if not wanted and form == "packed":
            raise TrackerError(f"--no-packed: {file} is a packed tracker and runs in no other form; name the "
                               "checkpoint that it was made from with --checkpoint")
    return (device == "cpu" and library() is not None) if wanted is None else wanted


def how(form: Form, device: str) -> str:
    """What networks run on, for people."""
    if form == "onnxruntime":
        return "networks run in onnxruntime, on the CPU"
    if form == "packed":
        return f"networks run packed, on {runs_on()}"
    return f"networks run unpacked, in torch on {device}"


def runs_on() -> str:
    """What packed networks run on here, for people."""
    return "plain torch" if kernel() == "torch" else f"the {kernel()} kernels"
