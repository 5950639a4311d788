"""Whether exported graphs compute what the network does, but for bits that rounding decides (`tracker.export.settled`).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tracker.errors import TrackerError
from tracker.export.onnx_graphs import Graphs, named_maps
from tracker.export.settled import TOLERANCE, settled_by
from tracker.models import Network
from tracker.onnx_session import session

if TYPE_CHECKING:
    import onnx


def check_graphs(graphs: Graphs, network: Network) -> float:
    """Run both graphs and the network on the same noise.

    Returns:
        The greatest difference, as a share of the largest value.

    Raises:
        TrackerError: it is above `TOLERANCE`.
    """
    generator = torch.Generator().manual_seed(0)

    def noise(count: int | None, size: int) -> Tensor:
        return torch.rand((count or 2, 3, size, size), generator=generator) * 255

    template = noise(1 if graphs.kernels else None, network.config.template_size)
    search = noise(graphs.crops, network.config.search_size)
    worst = 0.0
    kernel, difference = _compared(graphs.template, network, network.embed, {"template": template}, ["kernel"])
    worst = max(worst, difference)
    names = [output.name for output in graphs.search.graph.output]
    _, difference = _compared(graphs.search, network, network, {"kernel": kernel, "search": search}, names)
    return max(worst, difference)


def _compared(model: onnx.ModelProto, network: Network, forward: Any, inputs: dict[str, Tensor],
              names: list[str]) -> tuple[Tensor, float]:
    """The network's first output and the greatest relative difference to the graph's outputs `names`."""
    told, comparisons = _with_bits(model)
    answers = session(told, 1).run([*names, *comparisons], {name: value.numpy() for name, value in inputs.items()})
    bits = iter([torch.from_numpy(array) for array in answers[len(names):]])
    with torch.inference_mode(), settled_by(network, lambda unit: next(bits), "the exported graph's"):
        answer = forward(*inputs.values())
    expected = {names[0]: answer} if len(names) == 1 else named_maps(answer)
    differences = {}
    for name, found in zip(names, answers, strict=False):
        wanted = expected[name].numpy()
        scale = max(float(np.abs(wanted).max()), np.finfo(np.float32).tiny)
        differences[name] = float(np.abs(found - wanted).max()) / scale
    name = max(differences, key=lambda key: differences[key] if differences[key] == differences[key] else np.inf)
    if not differences[name] <= TOLERANCE:
        raise TrackerError(f"the exported graph's output {name!r} differs from the network's by "
                           f"{differences[name]:.1e} of its largest value, more than {TOLERANCE:g}; nothing is written")
    return expected[names[0]].clone(), differences[name]


def _with_bits(model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[str]]:
    """The model with the comparisons of its binary units as outputs too, and their names in the order they run."""
    from onnx import TensorProto, helper

    told = copy.deepcopy(model)
    names = [node.output[0] for node in told.graph.node if node.op_type == "GreaterOrEqual"]
    told.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.BOOL, None) for name in names)
    return told, names
