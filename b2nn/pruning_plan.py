"""Which channels a pruned network keeps: the plan, its file, and giving a fresh network that shape."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from b2nn.channels import ChannelGroup, Slot, named_tensors
from b2nn.errors import PlanError

FORMAT = "b2nn.pruning/1"


@dataclass(frozen=True)
class PrunedGroup(ChannelGroup):
    """A group and what is left of it.

    Attributes:
        kept: channels that stay, 0 to size - 1, ascending.
    """

    kept: tuple[int, ...]


@dataclass(frozen=True)
class PruningPlan:
    """The channels that stay in one architecture.

    Attributes:
        architecture: hash of the names and shapes of the unpruned network's tensors (`tensor_hash`).
        groups: the groups that lose channels; all others stay whole.
        budget: the ratio asked for.
        ratio: FLOPs of the pruned network over those of the whole one.
    """

    architecture: str
    groups: tuple[PrunedGroup, ...]
    budget: float
    ratio: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; `from_dict` is its inverse."""
        return json.loads(json.dumps({"format": FORMAT, **asdict(self)}))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "pruning plan") -> PruningPlan:
        """The plan in `data`; `PlanError` names `source` and what is wrong with it."""
        found = data.get("format") if isinstance(data, Mapping) else type(data).__name__
        if found != FORMAT:
            raise PlanError(f"{source}: format is {found!r}, not {FORMAT!r}; give a pruning plan of b2nn")
        try:
            groups = tuple(_group(group) for group in data["groups"])
            return cls(str(data["architecture"]), groups, float(data["budget"]), float(data["ratio"]))
        except (KeyError, TypeError, ValueError) as error:
            problem = f"key {error} is missing" if isinstance(error, KeyError) else error
            raise PlanError(f"{source}: {problem}; give a pruning plan of b2nn") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan as JSON; a reader never sees half of it."""
        target = Path(path)
        partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        partial.write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")
        partial.replace(target)


def _group(data: Mapping[str, Any]) -> PrunedGroup:
    name, size = str(data["name"]), int(data["size"])
    slots = tuple(Slot(str(slot["tensor"]), int(slot["dim"]), int(slot["extent"]), int(slot["repeats"]),
                       str(slot["role"])) for slot in data["slots"])
    kept = tuple(int(channel) for channel in data["kept"])
    if not kept or kept != tuple(sorted(set(kept) & set(range(size)))):
        raise ValueError(f"the kept channels of {name!r} are not ascending numbers from 0 to {size - 1}")
    if any(slot.extent % (slot.repeats * size) for slot in slots):
        raise ValueError(f"the extents in {name!r} are no multiples of its {size} channels")
    return PrunedGroup(name, size, slots, kept)


def load_pruning_plan(path: str | os.PathLike[str]) -> PruningPlan:
    """Read a plan; `PlanError` with the file's name if it cannot be read."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError(f"{path}: cannot be read ({error.strerror}); name a plan file") from error
    except ValueError as error:
        raise PlanError(f"{path}: not JSON ({error}); give a pruning plan of b2nn") from error
    return PruningPlan.from_dict(data, source=str(path))


def apply(model: nn.Module, plan: PruningPlan) -> None:
    """Give a freshly built `model` the plan's shape, in place; the pruned weights then load into it.

    Parameters stay the same objects, so an optimizer made before still holds them; its state must be dropped.

    Raises:
        PlanError: the plan was made for another network; the message names the first difference. The model is
            left as it was.
    """
    tensors = named_tensors(model)
    for slot in (slot for group in plan.groups for slot in group.slots):
        if slot.tensor not in tensors:
            raise PlanError(f"pruning plan names {slot.tensor!r}, which the network lacks; apply it to the "
                            "network it was made for")
        shape = tuple(tensors[slot.tensor].shape)
        if slot.dim >= len(shape) or shape[slot.dim] != slot.extent:
            raise PlanError(f"pruning plan is for {slot.tensor!r} with {slot.extent} entries in dimension "
                            f"{slot.dim}, the network's has shape {shape}; apply it to the unpruned network "
                            "it was made for")
    if plan.architecture != tensor_hash(model):
        raise PlanError(f"pruning plan was made for another network (hash {plan.architecture}, here "
                        f"{tensor_hash(model)}): other tensors differ; make a plan for this one")
    shrink(model, plan.groups)


def shrink(model: nn.Module, groups: tuple[PrunedGroup, ...]) -> None:
    """Cut the tensors of `groups` down to the kept channels, and the sizes that torch's modules note."""
    tensors = named_tensors(model)
    for group in groups:
        for slot in group.slots:
            tensor = tensors[slot.tensor]
            entries = torch.arange(slot.extent, device=tensor.device).view(slot.repeats, group.size, -1)
            tensor.data = tensor.data.index_select(slot.dim, entries[:, list(group.kept)].flatten())
            tensor.grad = None
    for module in model.modules():
        vars(module).update(_sizes(module))


def _sizes(module: nn.Module) -> dict[str, int]:
    """The sizes that follow from the shapes of the module's tensors, by attribute name."""
    if isinstance(module, _ConvNd):
        rows, columns = module.weight.shape[:2]
        if module.transposed:  # never pruned with more than one group
            return {"in_channels": rows, "out_channels": columns * module.groups}
        depthwise = module.groups == module.in_channels
        groups = module.groups * rows // module.out_channels if depthwise else module.groups
        return {"in_channels": columns * groups, "out_channels": rows, "groups": groups}
    if isinstance(module, nn.Linear):
        return {"out_features": module.weight.shape[0], "in_features": module.weight.shape[1]}
    if isinstance(module, _NormBase):
        vectors = [vector for vector in (module.weight, module.running_mean) if vector is not None]
        return {"num_features": vectors[0].numel()} if vectors else {}
    return {"num_parameters": module.weight.numel()} if isinstance(module, nn.PReLU) else {}


def tensor_hash(model: nn.Module) -> str:
    """Hash of the names and shapes of all parameters and buffers."""
    facts = sorted((name, list(tensor.shape)) for name, tensor in named_tensors(model).items())
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
