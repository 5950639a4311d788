"""Exported graphs in static int8: what a tracker in full precision takes on a CPU without any bits.

Convs run on unsigned 8-bit activations and signed 8-bit weights with a scale for each channel. onnxruntime takes a conv
to integers only if its input and its output are quantized, and a ReLU behind it only if that output's zero point is 0,
as it is for an output that is never negative; where that fails it silently computes in float. So what really fused is
counted. Correlations, prediction convs and what follows them stay in float, and so does a PReLU: onnxruntime has none
of integers, so its conv hands on 8 bits which are widened before it and narrowed behind it.
"""

from __future__ import annotations

import copy
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tracker.errors import TrackerError
from tracker.export.calibration import Example
from tracker.export.onnx_graphs import Graphs, set_metadata
from tracker.onnx_session import session

if TYPE_CHECKING:
    import onnx

# Quantized besides convs where they stand between convs.
_BETWEEN = ("Add", "Relu", "Clip", "MaxPool", "AveragePool")


def quantize_graphs(graphs: Graphs, examples: Sequence[Example]) -> Graphs:
    """Both graphs in int8.

    Args:
        examples: crops from which the ranges of activations are taken.

    Raises:
        TrackerError: a conv would run in float all the same.
    """
    embed = session(graphs.template, 1)
    templates = [{"template": example.template} for example in examples]
    kernels = [embed.run(None, inputs)[0] for inputs in templates]
    searches = [{"kernel": kernel, "search": example.search}
                for kernel, example in zip(kernels, examples, strict=True)]
    return replace(graphs, template=_quantized(graphs.template, templates),
                   search=_quantized(graphs.search, searches))


def relative_error(graphs: Graphs, quantized: Graphs, examples: Sequence[Example]) -> dict[str, float]:
    """Root mean square of what quantization changes in each map, as a share of that of the map."""
    pairs = [(_maps(graphs, example), _maps(quantized, example)) for example in examples]
    names = [output.name for output in graphs.search.graph.output]
    errors = {}
    for place, name in enumerate(names):
        wanted, found = (np.stack([pair[side][place] for pair in pairs]) for side in (0, 1))
        errors[name] = float(np.sqrt(np.square(found - wanted).mean() / np.square(wanted).mean()))
    return errors


def _maps(graphs: Graphs, example: Example) -> list[np.ndarray]:
    kernel, = session(graphs.template, 1).run(None, {"template": example.template})
    return session(graphs.search, 1).run(None, {"kernel": kernel, "search": example.search})


def _quantized(model: onnx.ModelProto, inputs: list[dict[str, np.ndarray]]) -> onnx.ModelProto:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.waiting = iter(inputs)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.waiting, None)

    nodes = quantizable(model)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    with tempfile.TemporaryDirectory() as folder, _quiet():
        target = Path(folder) / "int8.onnx"
        quantize_static(copy.deepcopy(model), target, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                        nodes_to_quantize=[node.name for node in nodes],
                        op_types_to_quantize=["Conv", *_BETWEEN])
        quantized = onnx.load(target)
    set_metadata(quantized, {**facts, "precision": "int8"})
    convs = sum(node.op_type == "Conv" for node in nodes)
    fused = integer_convs(quantized)
    if fused < convs:
        raise TrackerError(f"only {fused} of {convs} convs would run in int8 with this onnxruntime, the others in "
                           "float; nothing is written")
    return quantized


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantizer's advice to fold constants first, which the exporter has done."""
    logger, before = logging.getLogger(), logging.getLogger().level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def integer_convs(model: onnx.ModelProto) -> int:
    """How many convs onnxruntime really runs on integers."""
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        optimized = Path(folder) / "optimized.onnx"
        session(model, 1, optimized)
        return sum(node.op_type == "QLinearConv" for node in onnx.load(optimized).graph.node)


def quantizable(model: onnx.ModelProto) -> list[Any]:
    """Nodes to run in int8: convs of constant weights that another conv follows, and what stands between them."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}

    def weighted(node: Any) -> bool:
        if node.op_type != "Conv" or node.input[1] not in shapes:
            return False
        outputs, inputs, *_ = shapes[node.input[1]]
        groups = next((entry.i for entry in node.attribute if entry.name == "group"), 1)
        # Groups of one input and several outputs, as in the light stem, take onnxruntime longer in integers.
        return inputs > 1 or outputs == groups

    behind: set[str] = set()  # tensors of a conv, or of one and what may stand between
    before: set[str] = set()  # tensors that some later conv sees
    after_conv: list[Any] = []
    before_conv: set[str] = set()
    for node in model.graph.node:
        through = node.op_type in (*_BETWEEN, "PRelu") and behind.intersection(node.input)
        if weighted(node) or through:
            after_conv.append(node)
            behind.update(node.output)
    for node in reversed(model.graph.node):
        if before.intersection(node.output):
            before_conv.add(node.name)
        if node.op_type == "Conv" or before.intersection(node.output):
            before.update(node.input)
    return [node for node in after_conv if node.name in before_conv and (weighted(node) or node.op_type in _BETWEEN)]
