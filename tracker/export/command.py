"""What `tools/export.py` does once its arguments are read: one function a format, each returning lines to print."""

from __future__ import annotations

from pathlib import Path

import torch

from b2nn.packed import save
from tracker.checkpoint import load_checkpoint
from tracker.errors import TrackerError
from tracker.export.calibration import Example, calibration_examples
from tracker.export.onnx_check import check_graphs
from tracker.export.onnx_graphs import export_graphs, write_graphs
from tracker.export.onnx_int8 import integer_convs, quantize_graphs, relative_error
from tracker.models import Network
from tracker.packed import pack_network

_PACKED_EXAMPLES = 48
_HELD_OUT = 16  # examples on which the error of int8 is measured, not calibrated


def export_onnx(checkpoint: Path, out: Path, any_batch: bool = False) -> list[str]:
    """Write both graphs in float32, once they agree with the network.

    Raises:
        TrackerError: the checkpoint cannot be read, `out` is a file, or the graphs differ from the network.
    """
    _require_folder(out)
    network, stored = load_checkpoint(checkpoint)
    graphs = export_graphs(network, stored, any_batch)
    difference = check_graphs(graphs, network)
    return [*_written(write_graphs(out, graphs)),
            f"greatest difference to torch: {difference:.1e} of the largest value"]


def export_onnx_int8(checkpoint: Path, out: Path, any_batch: bool = False,
                     calibration: Path | None = None) -> list[str]:
    """Write both graphs in static int8, calibrated on sequences in GOT-10k's layout or on the generated set.

    Raises:
        TrackerError, DataError: as `export_onnx`, or the calibration's folder cannot be used.
    """
    _require_folder(out)
    network, stored = load_checkpoint(checkpoint)
    graphs = export_graphs(network, stored, any_batch)
    check_graphs(graphs, network)
    examples = calibration_examples(calibration, network, graphs.crops or 1)
    held_out = examples[::len(examples) // _HELD_OUT]
    quantized = quantize_graphs(graphs, [one for one in examples if not any(one is other for other in held_out)])
    errors = relative_error(graphs, quantized, held_out)
    told = ", ".join(f"{name} {error:.1%}" for name, error in errors.items())
    return [*_written(write_graphs(out, quantized)),
            f"convs in int8: {integer_convs(quantized.search)} of the search graph",
            f"root mean square error against float32: {told}"]


def export_packed(checkpoint: Path, out: Path, fp_precision: str = "float32",
                  calibration: Path | None = None) -> list[str]:
    """Write the packed network in one file; int8 is calibrated as that of ONNX is.

    Raises:
        TrackerError, DataError: as `export_onnx_int8`, or `out` is a folder.
        B2nnError: something that has no packed form.
    """
    if out.is_dir() or not out.parent.is_dir():
        raise TrackerError(f"--out {out}: a packed tracker is one file in a folder that exists, such as tracker.packed")
    network, stored = load_checkpoint(checkpoint)
    examples = [tuple(map(torch.from_numpy, one)) for one in _crops(network, fp_precision, calibration)]
    packed = pack_network(network, stored, fp_precision, examples or None)
    save(out, packed)
    size, full = out.stat().st_size, 4 * sum(parameter.numel() for parameter in network.parameters())
    return [f"{out}: {size:,} bytes, {size / full:.1%} of the parameters in float32"]


def _crops(network: Network, fp_precision: str, calibration: Path | None) -> list[Example]:
    if fp_precision != "int8":
        return []
    return calibration_examples(calibration, network, 1, _PACKED_EXAMPLES)


def _require_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise TrackerError(f"--out {out}: is a file; the two graphs need a folder")


def _written(paths: list[Path]) -> list[str]:
    return [f"{path}: {path.stat().st_size:,} bytes" for path in paths]
