import numpy as np
import pytest

from eval.peers.onnx_models import count_flops, read_model, with_any_size
from tracker.onnx_session import session


@pytest.fixture
def backbone(nanotrack_folder):
    return read_model(nanotrack_folder / "nanotrackv2_backbone.onnx")


def test_a_fixed_size_can_be_freed(backbone):
    crop = np.ones((1, 3, 127, 127), np.float32)
    with pytest.raises(Exception, match="255"):
        session(backbone, threads=1).run(None, {"input": crop})
    assert session(with_any_size(backbone), threads=1).run(None, {"input": crop})[0].shape == (1, 1, 8, 8)


def test_matrix_products_count_two_a_multiply_accumulate():
    onnx = pytest.importorskip("onnx")

    def tensor(name, *shape):
        return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

    nodes = [onnx.helper.make_node("MatMul", ["a", "b"], ["ab"]), onnx.helper.make_node("Relu", ["ab"], ["c"])]
    graph = onnx.helper.make_graph(nodes, "g", [tensor("a", 2, 3), tensor("b", 3, 5)], [tensor("c", 2, 5)])
    assert count_flops(onnx.helper.make_model(graph)) == 2 * 2 * 3 * 5
