"""A NanoTrack that anybody can compute: it likes what is bright, and no box changes its size."""

from pathlib import Path

import numpy as np

# The template region is twice as wide as a square target and becomes 127 pixels.
HALF_BOX = 127 / 4


def write_nanotrack(folder: Path, stem: str, cells: int) -> None:
    """Write a backbone that averages over 15x15 pixels and a head that likes more than grey."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def tensor(name, *shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    def save(part, nodes, inputs, outputs, constants):
        initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
        graph = helper.make_graph(nodes, part, inputs, outputs, initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
        onnx.save(model, folder / f"{stem}_{part}.onnx")

    mean = np.full((1, 3, 15, 15), 1 / (3 * 15 * 15), np.float32)
    save("backbone", [helper.make_node("Conv", ["input", "mean"], ["output"], strides=[16, 16])],
         [tensor("input", 1, 3, 255, 255)], [tensor("output", 1, 1, 16, 16)], {"mean": mean})
    ends = np.array([16 - cells, 16 - cells], np.int64), np.array([16, 16], np.int64), np.array([2, 3], np.int64)
    save("head", [
        helper.make_node("Slice", ["input2", "from", "to", "axes"], ["cut"]),
        helper.make_node("Sub", ["cut", "grey"], ["above"]),
        helper.make_node("Mul", ["above", "gain"], ["target"]),
        helper.make_node("Neg", ["target"], ["ground"]),
        helper.make_node("Concat", ["ground", "target"], ["output1"], axis=1),
        helper.make_node("Identity", ["sides"], ["output2"]),
    ], [tensor("input1", 1, 1, 8, 8), tensor("input2", 1, 1, 16, 16)],
         [tensor("output1", 1, 2, cells, cells), tensor("output2", 1, 4, cells, cells)],
         {"from": ends[0], "to": ends[1], "axes": ends[2], "gain": np.float32(0.05),
          "grey": np.float32(90), "sides": np.full((1, 4, cells, cells), HALF_BOX, np.float32)})
