"""Weights to begin training with: torchvision's ResNet-18, a published SiamFC, or a tracker of this project."""

from __future__ import annotations

from pathlib import Path

from tracker.checkpoint import FORMAT, load_weights, read_file
from tracker.errors import TrackerError
from tracker.models import Network, SiamFC


def load_pretrained(network: Network, path: Path) -> None:
    """Fill the network, or its backbone where the file holds a classifier's weights.

    Raises:
        CheckpointError: the file is missing, unreadable or belongs to another architecture.
        TrackerError: classifier weights that the backbone cannot take.
    """
    content = read_file(path)
    if content.get("format") == FORMAT:
        load_weights(network, content["state_dict"], path)
    elif "backbone.conv1.0.weight" in content or isinstance(network, SiamFC):
        load_weights(network, content, path)
    elif "layer1.0.conv1.weight" in content:
        network.backbone.load_torchvision(content)
    else:
        raise TrackerError(f"--pretrained {path}: neither a tracker checkpoint nor torchvision ResNet-18 weights")
