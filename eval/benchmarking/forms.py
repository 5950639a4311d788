"""The full-precision network in other number formats and runtimes than torch's float32."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from eval.benchmarking.footage import Footage
from tracker.checkpoint import Checkpoint
from tracker.export.calibration import Example
from tracker.export.onnx_graphs import export_graphs, write_graphs
from tracker.export.onnx_int8 import quantize_graphs
from tracker.models import Network, Predictions
from tracker.models.correlation import DepthwiseCorrelation
from tracker.online import SiameseTracker


class Converted(nn.Module):
    """A copy of a network with weights and maps in bfloat16; its answers are float32."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.config, self.stride, self.grid = network.config, network.stride, network.grid
        self.network = copy.deepcopy(network).to(torch.bfloat16)
        # SiamFC widens its crops, and correlations are computed in float32 whatever they are given.
        self.network.backbone.register_forward_pre_hook(lambda module, inputs: (inputs[0].bfloat16(),))
        for module in self.network.modules():
            if isinstance(module, DepthwiseCorrelation):
                module.register_forward_hook(lambda module, inputs, response: response.bfloat16())

    def embed(self, template: Tensor) -> Tensor:
        """The kernel of a template, (1, 3, size, size) BGR in 0..255."""
        return self.network.embed(template.bfloat16())

    def forward(self, kernel: Tensor, search: Tensor) -> Predictions | Tensor:
        """The maps of search crops, (N, 3, size, size) BGR in 0..255."""
        return _widened(self.network(kernel, search.bfloat16()))


class Autocast(nn.Module):
    """A network whose convs torch computes in bfloat16; its answers are float32."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.config, self.stride, self.grid = network.config, network.stride, network.grid
        self.network = network

    def embed(self, template: Tensor) -> Tensor:
        """The kernel of a template, (1, 3, size, size) BGR in 0..255."""
        with torch.autocast("cpu", torch.bfloat16):
            return self.network.embed(template)

    def forward(self, kernel: Tensor, search: Tensor) -> Predictions | Tensor:
        """The maps of search crops, (N, 3, size, size) BGR in 0..255."""
        with torch.autocast("cpu", torch.bfloat16):
            return _widened(self.network(kernel, search))


def export_onnx(network: Network, stored: Checkpoint, footage: Footage, work: Path) -> Iterator[tuple[str, Path]]:
    """Exported graphs in float32 and in static int8: the precision and the folder of each, one after the other.

    Ranges of values are those of the footage's own crops. Others would change what int8 answers, not its speed.

    Raises:
        TrackerError: a layer has no such form.
    """
    graphs = export_graphs(network, stored)
    (work / "float32").mkdir()
    write_graphs(work / "float32", graphs)
    yield "float32", work / "float32"
    template = footage.template(network.config.template_size).numpy()
    searches = footage.searches(SiameseTracker(network, stored.tracking))
    examples = [Example(template, search.contiguous().numpy()) for search in searches]
    (work / "int8").mkdir()
    write_graphs(work / "int8", quantize_graphs(graphs, examples))
    yield "int8", work / "int8"


def _widened(answer: Any) -> Predictions | Tensor:
    if isinstance(answer, Tensor):
        return answer.float()
    maps: list[Any] = [None if value is None else value.float() for value in answer]
    return Predictions(*maps)
