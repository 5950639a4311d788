"""What `b2track export` does once its arguments are read: one function a format, each returning lines to print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from b2nn.packed import PackedNetwork, save
from datasets.sequence import Sequence as Frames
from tracker.checkpoint import Checkpoint, load_checkpoint
from tracker.errors import TrackerError
from tracker.export.calibration import calibration_examples, judging_sequences
from tracker.export.onnx_check import check_graphs
from tracker.export.onnx_graphs import export_graphs, write_graphs
from tracker.export.onnx_int8 import integer_convs, quantize_graphs, relative_error
from tracker.export.packed_check import Crops, check_packed, noise, relative_errors
from tracker.models import Network
from tracker.online import SiameseTracker
from tracker.packed import PackedTrackerNetwork, pack_network

KEPT = 0.99
"""Of float32's success, what int8 must keep to be written where no precision is named."""
Success = Callable[[SiameseTracker, Sequence[Frames]], float]
_PACKED_EXAMPLES = 48
_CHECKED = 8  # of them
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


def export_packed(checkpoint: Path, out: Path, fp_precision: str | None = None, calibration: Path | None = None,
                  success: Success | None = None, on_step: Callable[[str], None] = lambda text: None) -> list[str]:
    """Write the packed network in one file, once it agrees with the unpacked one.

    int8 is calibrated as that of ONNX is.

    Args:
        fp_precision: one of `b2nn.packed.precision.FP_PRECISIONS`. None: int8 where there is `calibration` and it keeps
            `KEPT` of float32's success there, else float32.
        success: of a tracker on sequences, 0..1.
        on_step: called with what is done next, for people.

    Raises:
        TrackerError, DataError: as `export_onnx_int8`, or `out` is a folder, or the networks differ.
        B2nnError: something that has no packed form.
    """
    if out.is_dir() or not out.parent.is_dir():
        raise TrackerError(f"--out {out}: a packed tracker is one file in a folder that exists, such as tracker.packed")
    network, stored = load_checkpoint(checkpoint)
    precision = fp_precision or ("int8" if calibration else "float32")
    if precision == "int8":
        on_step(f"cutting {_PACKED_EXAMPLES} pairs of crops from {calibration or 'the generated set'}")
    examples = _crops(network, precision, calibration)
    on_step("packing, and comparing with the unpacked network")
    plain = packed = pack_network(network, stored)
    lines = check_packed(network, plain, examples[::len(examples) // _CHECKED] if examples else noise(network)).lines()
    if precision != "float32":
        on_step(f"packing in {precision}")
        packed = pack_network(network, stored, precision, examples or None)
        errors = relative_errors(network, packed, examples or noise(network))
        told = ", ".join(f"{name} {error:.1%}" for name, error in errors.items())
        lines.append(f"root mean square error of {precision} against the unpacked network: {told}")
    if precision == "int8" and success:
        on_step("tracking sequences in float32 and in int8")
        kept, line = _judged(plain, packed, stored, calibration, success)
        packed = packed if kept or fp_precision else plain
        lines += [line, *([] if fp_precision else [f"so {packed.metadata['fp_precision']} is written"])]
    save(out, packed)
    size, full = out.stat().st_size, 4 * sum(parameter.numel() for parameter in network.parameters())
    return [f"{out}: {size:,} bytes; the network's parameters in float32 are {full:,}", *lines]


def _judged(plain: PackedNetwork, packed: PackedNetwork, stored: Checkpoint, calibration: Path | None,
            success: Success) -> tuple[bool, str]:
    """Whether int8 keeps as much of the success as it must, and what to say of it."""
    sequences = judging_sequences(calibration)
    before, after = (success(SiameseTracker(PackedTrackerNetwork(one), stored.tracking), sequences)
                     for one in (plain, packed))
    kept = after >= KEPT * before
    return kept, (f"success on {len(sequences)} sequences of {sequences[0].dataset}: int8 {after:.3f}, float32 "
                  f"{before:.3f}: {'within' if kept else 'it loses more than'} {1 - KEPT:.0%}")


def _crops(network: Network, fp_precision: str, calibration: Path | None) -> list[Crops]:
    if fp_precision != "int8":
        return []
    examples = calibration_examples(calibration, network, 1, _PACKED_EXAMPLES)
    return [(torch.from_numpy(template), torch.from_numpy(search)) for template, search in examples]


def _require_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise TrackerError(f"--out {out}: is a file; the two graphs need a folder")


def _written(paths: list[Path]) -> list[str]:
    return [f"{path}: {path.stat().st_size:,} bytes" for path in paths]
