"""An exported pair of graphs as a tracker: the same crops, penalties and lost state, another runtime."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tracker.errors import CheckpointError
from tracker.export.onnx_graphs import FORMAT, SEARCH, TEMPLATE, require_onnx
from tracker.export.onnx_session import session
from tracker.models import Predictions, SiamFC, build_network
from tracker.online import SiameseTracker


class OnnxNetwork(nn.Module):
    """Two graphs in the place of a network of the same configuration.

    Args:
        folder: holds the two files.
        threads: of onnxruntime, on the CPU.

    Raises:
        CheckpointError: a file is missing or was not written by this project.
        TrackerError: the packages are not installed, or a file cannot be read.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        super().__init__()
        require_onnx()
        for name in (TEMPLATE, SEARCH):
            if not (folder / name).is_file():
                raise CheckpointError(f"{folder / name}: no such file; name a folder that `b2track export` wrote")
        self.template, self.search = session(folder / TEMPLATE, threads), session(folder / SEARCH, threads)
        self.facts: dict[str, str] = self.search.get_modelmeta().custom_metadata_map
        if self.facts.get("format") != FORMAT:
            raise CheckpointError(f"{folder / SEARCH}: not exported by this project (format "
                                  f"{self.facts.get('format')!r}, not {FORMAT!r})")
        shape = build_network(json.loads(self.facts["model"]))
        self.config, self.stride = shape.config, shape.stride
        self._grid = None if isinstance(shape, SiamFC) else shape.grid()
        self.names = [output.name for output in self.search.get_outputs()]
        # Trackers ask a network's parameters where it runs.
        self.place = nn.Parameter(torch.empty(0), requires_grad=False)

    def grid(self) -> Tensor | None:
        """As the network's own; None of SiamFC."""
        return self._grid

    def embed(self, template: Tensor) -> Tensor:
        """The kernel of a template, (1, 3, size, size) BGR in 0..255, uint8 or float32."""
        return torch.from_numpy(self.template.run(None, {"template": _floats(template)})[0])

    def forward(self, kernel: Tensor, search: Tensor) -> Predictions | Tensor:
        """The maps of search crops, (N, 3, size, size) BGR in 0..255, uint8 or float32."""
        answers = self.search.run(None, {"kernel": kernel.numpy(), "search": _floats(search)})
        maps = dict(zip(self.names, map(torch.from_numpy, answers), strict=True))
        return maps["response"] if "response" in maps else Predictions(**{"centerness": None, **maps})


def _floats(crops: Tensor) -> np.ndarray:
    """Crops as the graphs take them."""
    return crops.float().contiguous().numpy()


def load_onnx_tracker(folder: Path, threads: int = 1, device: str = "cpu") -> SiameseTracker:
    """The tracker of a folder that ``tools/export.py --format onnx`` or ``onnx-int8`` wrote; it runs on the CPU."""
    network = OnnxNetwork(folder, threads)
    return SiameseTracker(network, json.loads(network.facts["tracking"]))
