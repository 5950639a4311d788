"""Trackers of other projects, evaluated beside one's own: `find_peers` turns their names into specs."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from datasets.errors import DataError
from eval.peers import opencv
from eval.peers.nanotrack import VERSIONS, NanoTrack, files
from eval.peers.onnx_models import count_flops, count_parameters, read_model
from eval.runner import TrackerSpec

PEERS = (*opencv.TITLES, *VERSIONS)


def find_peers(names: list[str], nanotrack: Path | None, threads: int) -> tuple[list[TrackerSpec], list[str]]:
    """The peers asked for with ``--peers``.

    Args:
        names: of `PEERS`; one named twice counts once.
        nanotrack: folder of ``nanotrackv2_backbone.onnx``, ``nanotrackv2_head.onnx`` and likewise v3 (option
            ``--nanotrack``); None if no peer needs it.
        threads: CPU threads of each; peers run on the CPU whatever the device.

    Returns:
        The specs of those that can run here, and a line for each that this machine's OpenCV does not have.

    Raises:
        DataError: unknown name, a missing folder or file, an unreadable file, or a package that is not installed.
    """
    specs, missing = [], []
    for name in dict.fromkeys(names):
        if name in VERSIONS:
            specs.append(_nanotrack_spec(name, nanotrack, threads))
        elif name not in opencv.TITLES:
            raise DataError(f"--peers {name}: unknown; choose among {', '.join(PEERS)}")
        elif opencv.is_available(name):
            specs.append(_opencv_spec(name, threads))
        else:
            missing.append(opencv.why_missing(name))
    return specs, missing


def load_nanotrack(name: str, folder: Path, threads: int, device: str) -> NanoTrack:
    """Make a tracker from the files of `folder`; it runs on the CPU on any device."""
    backbone, head = files(name, folder)
    return NanoTrack(backbone, head, VERSIONS[name], threads)


def load_opencv(name: str, threads: int, device: str) -> opencv.OpenCvTracker:
    """Make a tracker of OpenCV; it runs on the CPU on any device."""
    return opencv.OpenCvTracker(name, threads)


def _nanotrack_spec(name: str, folder: Path | None, threads: int) -> TrackerSpec:
    if folder is None:
        raise DataError(f"--peers {name}: name the folder of its ONNX files with --nanotrack DIR")
    paths = files(name, folder)
    for path in paths:
        if not path.is_file():
            raise DataError(f"--nanotrack {folder}: no {path.name} in this folder")
    models = [read_model(path) for path in paths]
    summary = {
        "method": "peer",
        "counted_flops": sum(map(count_flops, models)),
        "params_1bit": 0,
        "params_32bit": sum(map(count_parameters, models)),
    }
    load = functools.partial(load_nanotrack, name, folder, threads)
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
    return TrackerSpec(name, load, " + ".join(map(str, paths)), digest, summary, device="cpu")


def _opencv_spec(name: str, threads: int) -> TrackerSpec:
    source = opencv.describe(name)
    digest = hashlib.sha256(source.encode()).hexdigest()
    return TrackerSpec(name, functools.partial(load_opencv, name, threads), source, digest, {"method": "peer"},
                       device="cpu")
