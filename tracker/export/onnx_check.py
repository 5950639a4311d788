"""Whether exported graphs compute what the network does.

A float sum that is rounded otherwise can put a binary unit's input on the other side of its threshold, and one flipped
bit moves everything behind it. So the bits of the graph are compared with those of the network: each that differs must
have had an input within rounding of the threshold. The network then goes on with the graph's bits, and what both answer
in the end must agree.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from b2nn.layers import BinaryUnit
from tracker.errors import TrackerError
from tracker.export.onnx_graphs import Graphs, named_maps
from tracker.export.onnx_session import session
from tracker.models import Network

if TYPE_CHECKING:
    import onnx

TOLERANCE = 1e-4
"""Greatest difference, as a share of the largest value."""


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
    bits = [torch.from_numpy(array) for array in answers[len(names):]]
    with torch.inference_mode(), _settled_by(network, bits):
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


@contextmanager
def _settled_by(network: nn.Module, bits: list[Tensor]) -> Iterator[None]:
    """Inside, inputs of binary units that are within rounding of the threshold fall on the side that `bits` say."""
    waiting = iter(bits)

    def settle(unit: Any, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x, high = arguments[0], next(waiting)
        shift = unit.shift.view(-1, 1, 1) if x.ndim == 4 else unit.shift
        wrong = (x >= shift) != high
        if bool(wrong.any()) and float((x - shift).abs()[wrong].max()) > TOLERANCE * float(x.abs().max()):
            raise TrackerError(f"the exported graph's bits differ from the network's by more than rounding at a layer "
                               f"of {unit.weight.shape[0]} outputs; nothing is written")
        below = torch.nextafter(shift, torch.full_like(shift, -torch.inf))
        return (torch.where(wrong, torch.where(high, shift, below), x),)

    hooks = [unit.register_forward_pre_hook(settle) for unit in network.modules() if isinstance(unit, BinaryUnit)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
