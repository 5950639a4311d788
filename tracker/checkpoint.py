"""One file holds a tracker: architecture, plan and weights, readable with `weights_only=True`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from b2nn import pruning
from b2nn.convert import binarize
from b2nn.packed.file import is_packed
from b2nn.plan import BinarizationPlan
from b2nn.recipe import Recipe
from datasets.files import replacing
from tracker import published
from tracker.errors import CheckpointError
from tracker.models import Network, build_network, cost_table
from tracker.typed import typed

FORMAT = "b2track.checkpoint/1"


@dataclass(frozen=True)
class Checkpoint:
    """All of a checkpoint but its weights.

    Attributes:
        model: the `model` field of the configuration.
        tracking: options of the online tracker.
        plan: which units are binary, or None.
        pruned: which channels are left, or None.
        recipe: how the binary units compute. The defaults of `Recipe` are what files without this field mean.
    """

    model: dict[str, Any]
    tracking: dict[str, Any] = field(default_factory=dict)
    plan: BinarizationPlan | None = None
    pruned: pruning.PruningPlan | None = None
    recipe: Recipe = field(default_factory=Recipe)

    @property
    def budget(self) -> float | None:
        """Share of the full-precision cost that was asked for; None if none was."""
        made = self.plan or self.pruned
        return made.budget if made else None


def save_checkpoint(path: Path, network: Network, checkpoint: Checkpoint) -> None:
    """Write to a temporary name and rename, so that no half-written file bears the name."""
    content = {
        "format": FORMAT,
        "model": checkpoint.model,
        "tracking": checkpoint.tracking,
        "plan": checkpoint.plan.to_dict() if checkpoint.plan else None,
        "pruned": checkpoint.pruned.to_dict() if checkpoint.pruned else None,
        "recipe": asdict(checkpoint.recipe),
        "state_dict": {key: value.detach().cpu() for key, value in network.state_dict().items()},
    }
    with replacing(path) as temporary:
        torch.save(content, temporary)


def load_checkpoint(path: Path, device: str = "cpu") -> tuple[Network, Checkpoint]:
    """Rebuild the network of a checkpoint, in evaluation mode.

    Published trackers (SiamFC, NanoTrack 2 and 3) are recognized by their keys.

    Raises:
        CheckpointError: the file is missing, unreadable, of another format, or its weights do not fit.
    """
    content = read_file(path)
    if content.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a tracker checkpoint (format {content.get('format')!r}, not {FORMAT!r})")
    for key in ("model", "tracking"):
        if not isinstance(content.get(key, {}), dict):
            raise CheckpointError(f"{path}: {key!r} is {content[key]!r}, not fields of a configuration")
    try:
        checkpoint = Checkpoint(
            model=content["model"],
            tracking=content.get("tracking", {}),
            plan=BinarizationPlan.from_dict(content["plan"]) if content.get("plan") else None,
            pruned=pruning.PruningPlan.from_dict(content["pruned"]) if content.get("pruned") else None,
            recipe=typed(Recipe, content.get("recipe", {}), "recipe"),
        )
        network = shaped_network(checkpoint)
    except KeyError as error:
        raise CheckpointError(f"{path}: lacks {error}; give a checkpoint of this project") from error
    # Errors of the packages are ValueErrors; torch raises the others for plans whose numbers make no network.
    except (ValueError, TypeError, IndexError, RuntimeError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    load_weights(network, content.get("state_dict"), path)
    network = network.to(device).eval().requires_grad_(False)
    return network.to(memory_format=torch.channels_last), checkpoint


def shaped_network(checkpoint: Checkpoint) -> Network:
    """A network with the checkpoint's architecture, binary units and channels, and fresh weights."""
    network = build_network(checkpoint.model)
    if checkpoint.pruned:
        pruning.apply(network, checkpoint.pruned)
    if checkpoint.plan and checkpoint.plan.binary:
        binarize(network, checkpoint.plan, cost_table(network), checkpoint.recipe)
    return network


def load_weights(network: Network, state: object, path: Path) -> None:
    """Load all weights or none.

    Args:
        state: tensors by name; BatchNorm's counts of batches may be missing, as they are in files older than them.

    Raises:
        CheckpointError: no such dict, or naming the first weight that is missing, unknown or of another shape.
    """
    state = tensors_by_name(state, path)
    own = network.state_dict()
    state = {key: value for key, value in own.items() if key.endswith("num_batches_tracked")} | state
    problems = [f"lacks {key!r}" for key in own if key not in state]
    problems += [f"has {key!r}, which the architecture lacks" for key in state if key not in own]
    problems += [f"{key!r} is {tuple(state[key].shape)}, the architecture needs {tuple(own[key].shape)}"
                 for key in own if key in state and state[key].shape != own[key].shape]
    if problems:
        more = f" (and {len(problems) - 1} more differences)" if len(problems) > 1 else ""
        raise CheckpointError(f"{path}: weights of another architecture: {problems[0]}{more}")
    network.load_state_dict(state)


def tensors_by_name(state: object, path: Path) -> dict[str, torch.Tensor]:
    """`state` itself; CheckpointError that names `path` where it is something else than tensors by name."""
    if not isinstance(state, dict) or not state:
        raise CheckpointError(f"{path}: holds no weights")
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise CheckpointError(f"{path}: {key!r} is no weight but {type(value).__name__}")
    return state


def read_file(path: Path) -> dict[str, Any]:
    """The content of a file that torch saved, without running any code that it may carry.

    That of a published tracker is brought into this project's form.

    Raises:
        CheckpointError: missing, unreadable, packed, or not a dict.
    """
    if path.is_dir():
        graphs = " of ONNX graphs, which can only track" if (path / "search.onnx").is_file() else ""
        raise CheckpointError(f"{path}: a folder{graphs}; give a checkpoint")
    if path.is_file() and is_packed(path):
        raise CheckpointError(f"{path}: a packed tracker, which can only track; give the checkpoint it was made from")
    try:
        with published.allowed_globals():
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such checkpoint") from error
    except Exception as error:  # torch raises many kinds for broken archives and forbidden pickles
        raise CheckpointError(f"{path}: neither a checkpoint nor a packed tracker, or damaged "
                              f"({type(error).__name__}); give what training or `b2track export` wrote") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: not a tracker checkpoint")
    known = published.as_checkpoint(content)
    return {"format": FORMAT, **known} if known else content
