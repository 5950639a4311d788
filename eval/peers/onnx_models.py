"""ONNX files: read and counted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.errors import DataError
from tracker.onnx_session import REMEDY

if TYPE_CHECKING:
    import onnx


def read_model(path: Path) -> onnx.ModelProto:
    """Read an ONNX file.

    Raises:
        DataError: it is missing or not ONNX, or the package is not installed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise DataError(f"ONNX needs {error.name}; {REMEDY}") from error
    try:
        return onnx.load(path)
    except OSError as error:
        raise DataError(f"{path}: cannot read ONNX file ({error.strerror})") from error
    except DecodeError as error:
        raise DataError(f"{path}: not an ONNX file") from error


def count_parameters(model: onnx.ModelProto) -> int:
    """Numbers stored in a network, batch norms folded as the file has them."""
    return sum(math.prod(tensor.dims) for tensor in model.graph.initializer)


def count_flops(model: onnx.ModelProto) -> int:
    """FLOPs of one run at the sizes that the file fixes: 2 a multiply-accumulate of convolutions and matrix products.

    Norms, activations and pooling are left out.
    """
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)
    flops = 0
    for node in graph.node:
        if node.op_type == "Conv":
            flops += 2 * math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
        elif node.op_type in ("MatMul", "Gemm"):
            flops += 2 * math.prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]
    return flops


def with_any_size(model: onnx.ModelProto) -> onnx.ModelProto:
    """Free the height and width that a file fixes for its inputs and outputs; the model itself is changed."""
    for value in (*model.graph.input, *model.graph.output):
        for dimension, name in zip(value.type.tensor_type.shape.dim[2:], ("height", "width"), strict=True):
            dimension.dim_param = f"{value.name}_{name}"
    del model.graph.value_info[:]
    return model
