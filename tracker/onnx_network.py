"""An exported pair of ONNX graphs in the place of the network: the same crops, penalties and lost state around it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from b2nn.plan import BinarizationPlan
from b2nn.pruning import PruningPlan
from b2nn.recipe import Recipe
from tracker.checkpoint import Checkpoint
from tracker.errors import CheckpointError
from tracker.models import Predictions, SiamFC, build_network
from tracker.onnx_session import session
from tracker.typed import typed

FORMAT = "b2track.onnx/2"
TEMPLATE, SEARCH = "template.onnx", "search.onnx"


def has_graphs(path: Path) -> bool:
    """Whether it is a folder of exported graphs, or what is left of one."""
    return any((path / name).is_file() for name in (TEMPLATE, SEARCH))


class OnnxNetwork(nn.Module):
    """Two graphs in the place of the network that they were exported from; on the CPU.

    Args:
        folder: what ``b2track export --format onnx`` or ``onnx-int8`` wrote.
        threads: of onnxruntime.

    Attributes:
        stored: what the checkpoint said that the graphs were exported from, all but its weights.
        precision: of all that is not binary: float32 or int8.

    Raises:
        CheckpointError: a file is missing or was not written by this project.
        TrackerError: onnxruntime is not installed, or cannot read a file.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        super().__init__()
        for name in (TEMPLATE, SEARCH):
            if not (folder / name).is_file():
                raise CheckpointError(f"{folder / name}: no such file; name a folder that `b2track export` wrote")
        self.template, self.search = session(folder / TEMPLATE, threads), session(folder / SEARCH, threads)
        facts: dict[str, str] = self.search.get_modelmeta().custom_metadata_map
        if facts.get("format") != FORMAT:
            raise CheckpointError(f"{folder / SEARCH}: not exported by this version of the project (format "
                                  f"{facts.get('format')!r}, not {FORMAT!r}); export it again")
        self.stored, self.precision = _stored(facts), facts["precision"]
        shape = build_network(self.stored.model)
        self.config, self.stride = shape.config, shape.stride
        self._grid = None if isinstance(shape, SiamFC) else shape.grid()
        self.names = [output.name for output in self.search.get_outputs()]
        kernels = next(entry.shape[0] for entry in self.search.get_inputs() if entry.name == "kernel")
        self._one_kernel = isinstance(kernels, int)
        # Trackers ask a network's parameters where it runs.
        self.place = nn.Parameter(torch.empty(0), requires_grad=False)

    def grid(self) -> Tensor | None:
        """As the network's own; None of SiamFC."""
        return self._grid

    def embed(self, template: Tensor) -> Tensor:
        """The kernel of a template, (1, 3, size, size) BGR in 0..255, uint8 or float32."""
        return torch.from_numpy(self.template.run(None, {"template": _floats(template)})[0])

    def forward(self, kernel: Tensor, search: Tensor) -> Predictions | Tensor:
        """The maps of search crops, (N, 3, size, size) BGR in 0..255, uint8 or float32.

        Crop i belongs to kernel i modulo their number. Graphs of one kernel run once for each.
        """
        count = len(kernel) if self._one_kernel else 1
        runs = [self._run(kernel[number::count], search[number::count]) for number in range(count)]
        answers = runs[0] if count == 1 else [np.stack(parts, axis=1).reshape(-1, *parts[0].shape[1:])
                                              for parts in zip(*runs, strict=True)]
        maps = dict(zip(self.names, map(torch.from_numpy, answers), strict=True))
        return maps["response"] if "response" in maps else Predictions(**{"centerness": None, **maps})

    def _run(self, kernel: Tensor, search: Tensor) -> list[np.ndarray]:
        return self.search.run(None, {"kernel": kernel.contiguous().numpy(), "search": _floats(search)})


def _stored(values: dict[str, str]) -> Checkpoint:
    facts = {name: json.loads(values[name]) for name in ("model", "tracking", "plan", "pruned", "recipe")}
    return Checkpoint(facts["model"], facts["tracking"],
                      BinarizationPlan.from_dict(facts["plan"]) if facts["plan"] else None,
                      PruningPlan.from_dict(facts["pruned"]) if facts["pruned"] else None,
                      typed(Recipe, facts["recipe"], "recipe"))


def _floats(crops: Tensor) -> np.ndarray:
    """Crops as the graphs take them."""
    return crops.float().contiguous().numpy()
