"""Weights to begin training with: torchvision's ResNet-18, a published tracker, or one of this project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracker.checkpoint import FORMAT, load_weights, read_file, tensors_by_name
from tracker.errors import TrackerError
from tracker.models import Network, build_network
from tracker.models.resnet import ResNet18


def check_pretrained(model: Mapping[str, Any], path: Path) -> None:
    """Try the weights on a fresh network of the configuration's `model`, before anything is written.

    Raises:
        TrackerError: as `load_pretrained`, or a bad `model`.
    """
    load_pretrained(build_network(model), path)


def load_pretrained(network: Network, path: Path) -> None:
    """Fill the network, or its backbone where the file holds a classifier's weights.

    Raises:
        CheckpointError: the file is missing, unreadable or belongs to another architecture.
        TrackerError: classifier weights that the backbone cannot take.
    """
    content = read_file(path)
    if content.get("format") == FORMAT:
        load_weights(network, content.get("state_dict"), path)
    elif not isinstance(network.backbone, ResNet18):
        load_weights(network, content, path)
    elif "layer1.0.conv1.weight" in content:
        weights = tensors_by_name(content, path)
        try:
            network.backbone.load_torchvision(weights)
        except TrackerError as error:
            raise TrackerError(f"--pretrained {path}: {error}") from error
    else:
        raise TrackerError(f"--pretrained {path}: neither a tracker checkpoint nor torchvision ResNet-18 weights")
