"""From a trained model to its packed network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from b2nn.errors import B2nnError
from b2nn.packed import fuse
from b2nn.packed.calibrate import Forward, calibrated
from b2nn.packed.network import PackedNetwork
from b2nn.packed.precision import FP_PRECISIONS, to_bf16
from b2nn.packed.program import Program


def pack(model: nn.Module, *, methods: Sequence[str] = ("forward",), fp_precision: str = "float32",
         calibration: Sequence[Any] | None = None, forward: Forward = lambda network, inputs: network(*inputs),
         metadata: dict[str, Any] | None = None) -> PackedNetwork:
    """A network for inference that computes what `model` does in evaluation mode, with its weights packed.

    The model is not touched. Its methods are traced by torch.fx: binary layers, convs and linear layers take in what
    follows them (BatchNorm, scales, bias, activation, one addition), everything else is called in torch.

    Args:
        methods: names of the model's methods that the packed network is to have.
        fp_precision: ``float32``, ``bf16`` or ``int8``, of the convs that are not binary. Depthwise and grouped convs,
            linear layers and convs of few outputs stay float32.
        calibration: what ``int8`` is calibrated on, some dozens of typical inputs, each a tuple of the arguments of
            `forward`.
        forward: runs the packed network on one of `calibration` and returns what counts; by default its `forward`.
        metadata: kept in the network and its file; whatever JSON can hold.

    Raises:
        UnsupportedModule: something that has no packed form; the message names it.
        B2nnError: an unknown precision or method, or int8 without calibration.
    """
    if fp_precision not in FP_PRECISIONS:
        raise B2nnError(f"fp_precision is {fp_precision!r}; choose one of {', '.join(FP_PRECISIONS)}")
    if fp_precision == "int8" and calibration is None:
        raise B2nnError("fp_precision 'int8' needs calibration: some dozens of typical inputs")
    programs: Mapping[str, Program] = fuse.programs(model, tuple(methods))
    if fp_precision == "bf16":
        programs = to_bf16(programs)
    if fp_precision == "int8":
        programs = calibrated(programs, calibration or (), forward)
    return PackedNetwork(programs, metadata)
