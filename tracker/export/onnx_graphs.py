"""The two graphs of a tracker in ONNX: template -> kernel, and kernel + search crop -> maps.

Crops are float32 BGR in 0..255, (N, 3, size, size); normalisation is in the graphs.
"""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from b2nn.recipe import DEFAULT
from datasets.files import replacing
from tracker.checkpoint import Checkpoint
from tracker.errors import TrackerError
from tracker.export.deployed import deployed
from tracker.localize import ScaleSearchOptions
from tracker.models import Network, SiamFC
from tracker.onnx_network import FORMAT, SEARCH, TEMPLATE
from tracker.onnx_session import REMEDY

if TYPE_CHECKING:
    import onnx

OPSET = 17
_BATCH = "batch"


@dataclass(frozen=True)
class Graphs:
    """A tracker as two ONNX models, with how many crops their inputs hold.

    Attributes:
        template: ``template`` -> ``kernel``.
        search: ``kernel``, ``search`` -> ``cls``, ``box`` and, of networks that have it, ``centerness`` (see
            `tracker.models.head.Predictions`); of SiamFC ``response``.
        kernels, crops: kernels and search crops of one run, None where their number is free.
    """

    template: onnx.ModelProto
    search: onnx.ModelProto
    kernels: int | None
    crops: int | None


class _Embed(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, template: Tensor) -> Tensor:
        return self.network.embed(template)


class _Maps(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, kernel: Tensor, search: Tensor) -> tuple[Tensor, ...]:
        return tuple(named_maps(self.network(kernel, search)).values())


def named_maps(answer: Any) -> dict[str, Tensor]:
    """What a network answers, by the names of the graph's outputs."""
    if isinstance(answer, Tensor):
        return {"response": answer}
    return {name: value for name, value in answer._asdict().items() if value is not None}


def export_graphs(network: Network, checkpoint: Checkpoint, any_batch: bool = False) -> Graphs:
    """Both graphs, in float32.

    Args:
        network: the network of `checkpoint`.
        any_batch: any number of search crops a run instead of the one that a frame needs (SiamFC: of its scales), each
            with a kernel of its own. SiamFC compares them all with one kernel.

    Raises:
        TrackerError: the packages are not installed, or a layer cannot be exported.
    """
    require_onnx()
    siamfc = isinstance(network, SiamFC)
    crops = checkpoint.tracking.get("scales", ScaleSearchOptions.scales) if siamfc else 1
    kernels = 1 if siamfc or not any_batch else None
    plain = deployed(network, any_batch)
    sizes = network.config.template_size, network.config.search_size
    template, search = torch.zeros(1, 3, sizes[0], sizes[0]), torch.zeros(crops, 3, sizes[1], sizes[1])
    with torch.no_grad():
        kernel = plain.embed(template)
        names = list(named_maps(plain(kernel, search)))
    free = [_BATCH] if any_batch else []
    first = _exported(_Embed(plain), (template,), ["template"], ["kernel"], free and ["template", "kernel"])
    second = _exported(_Maps(plain), (kernel, search), ["kernel", "search"], names,
                       free and [*([] if siamfc else ["kernel"]), "search", *names])
    facts = metadata(network, checkpoint)
    for model, part in ((first, "template"), (second, "search")):
        set_metadata(model, {**facts, "graph": part})
    return Graphs(first, second, kernels, None if any_batch else crops)


def _exported(module: nn.Module, inputs: tuple[Tensor, ...], names: list[str], outputs: list[str],
              free: list[str]) -> onnx.ModelProto:
    """The graph of one module; `free` are the inputs and outputs whose first size is left open."""
    import onnx

    file = io.BytesIO()
    with warnings.catch_warnings():
        # The tracing exporter is called old, but needs no package beside torch and takes a second instead of twenty.
        # What it says of sizes that it takes for constants is meant here: they are.
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), inputs, file, dynamo=False, input_names=names, output_names=outputs,
                          opset_version=OPSET, dynamic_axes={name: {0: _BATCH} for name in free})
    model = _without_identities(onnx.load_from_string(file.getvalue()))
    onnx.checker.check_model(model)
    return model


def _without_identities(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights that are alike are exported once, each other use behind an Identity, which quantization stumbles over."""
    outputs = {output.name for output in model.graph.output}
    same: dict[str, str] = {}
    for node in list(model.graph.node):
        for place, name in enumerate(node.input):
            node.input[place] = same.get(name, name)
        if node.op_type == "Identity" and node.output[0] not in outputs:
            same[node.output[0]] = node.input[0]
            model.graph.node.remove(node)
    return model


def metadata(network: Network, checkpoint: Checkpoint) -> dict[str, str]:
    """What a user of the graphs must know; structured values as JSON."""
    plan, ratio = checkpoint.plan, 1.0
    if plan is not None:
        ratio = plan.ratio
    elif checkpoint.pruned is not None:
        ratio = checkpoint.pruned.ratio
    values = {
        "model": checkpoint.model,
        "tracking": checkpoint.tracking,
        "plan": plan.to_dict() if plan else None,
        "pruned": checkpoint.pruned.to_dict() if checkpoint.pruned else None,
        "recipe": asdict(checkpoint.recipe if plan else DEFAULT),
    }
    return {"format": FORMAT, "precision": "float32", "ratio": repr(ratio),
            "template_size": str(network.config.template_size), "search_size": str(network.config.search_size),
            "stride": str(network.stride),
            **{name: json.dumps(value, sort_keys=True) for name, value in values.items()}}


def set_metadata(model: onnx.ModelProto, facts: dict[str, str]) -> None:
    """Add to a model's properties, or replace those of the same name."""
    merged = {entry.key: entry.value for entry in model.metadata_props} | facts
    del model.metadata_props[:]
    for key, value in merged.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value


def write_graphs(folder: Path, graphs: Graphs) -> list[Path]:
    """Both files, each whole; their paths."""
    paths = []
    for name, model in ((TEMPLATE, graphs.template), (SEARCH, graphs.search)):
        with replacing(folder / name) as temporary:
            temporary.write_bytes(model.SerializeToString(deterministic=True))
        paths.append(folder / name)
    return paths


def require_onnx() -> None:
    """TrackerError where the packages are not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise TrackerError(f"ONNX needs {error.name}; {REMEDY}") from error
