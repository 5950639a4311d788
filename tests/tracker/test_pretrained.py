"""Weights to begin with: each kind of file is recognized, the wrong ones are named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.tracker.conftest import TINY
from tracker.checkpoint import Checkpoint, save_checkpoint
from tracker.errors import CheckpointError, TrackerError
from tracker.models import build_network
from tracker.models.resnet import BackboneConfig, ResNet18
from tracker.pretrained import check_pretrained, load_pretrained

WIDE = {"neck_channels": 8, "head": {"channels": 8, "depth": 1}}  # its backbone is torchvision's


@pytest.fixture
def torchvision(tmp_path) -> Path:
    """Weights with the names and shapes of torchvision's ResNet-18, without what only newer files hold."""
    state = ResNet18(BackboneConfig()).state_dict()
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    torch.save(state | {"fc.weight": torch.zeros(1000, 512), "layer4.0.conv1.weight": torch.zeros(1)},
               tmp_path / "resnet18.pth")
    return tmp_path / "resnet18.pth"


def test_torchvision_weights_fill_the_backbone_alone(torchvision):
    network = build_network(WIDE)
    neck = network.neck[0].weight.clone()
    load_pretrained(network, torchvision)
    stored = torch.load(torchvision, weights_only=True)
    assert torch.equal(network.backbone.conv1.weight, stored["conv1.weight"].flip(1)), "RGB becomes BGR"
    assert torch.equal(network.backbone.layer3[1].conv2.weight, stored["layer3.1.conv2.weight"])
    assert torch.equal(network.neck[0].weight, neck)


def test_a_tracker_of_this_project_fills_the_network(tmp_path, tiny_network):
    save_checkpoint(tmp_path / "a.pth", tiny_network, Checkpoint(TINY))
    network = build_network(TINY)
    load_pretrained(network, tmp_path / "a.pth")
    loaded = network.state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in tiny_network.state_dict().items())


def test_a_published_siamfc_fills_siamfc_and_no_other(tmp_path):
    published = build_network({"type": "siamfc"}).state_dict()
    torch.save(published, tmp_path / "siamfc.pth")
    network = build_network({"type": "siamfc"})
    load_pretrained(network, tmp_path / "siamfc.pth")
    assert torch.equal(network.backbone.conv1[0].weight, published["backbone.conv1.0.weight"])
    with pytest.raises(CheckpointError, match=r"siamfc\.pth: weights of another architecture"):
        check_pretrained(TINY, tmp_path / "siamfc.pth")


def test_a_check_beforehand_accepts_what_fits(torchvision):
    check_pretrained(WIDE, torchvision)


@pytest.mark.parametrize(("model", "message"), [
    (TINY, "width must be 1 and stem 'resnet'"),
    (WIDE | {"backbone": {"width": 0.5}}, "width must be 1"),
    ({"type": "siamfc"}, "another architecture"),
])
def test_torchvision_weights_that_do_not_fit_are_named(torchvision, model, message):
    with pytest.raises(TrackerError, match=rf"resnet18\.pth: .*{message}"):
        check_pretrained(model, torchvision)


@pytest.mark.parametrize(("content", "message"), [
    ({"epoch": 3}, "neither a tracker checkpoint nor"),
    ({"layer1.0.conv1.weight": 3}, "no weight but int"),
    ({"layer1.0.conv1.weight": torch.zeros(64, 64, 3, 3)}, "lack 'conv1.weight'"),
    ({"format": "b2track.checkpoint/1"}, "holds no weights"),
    ([1], "not a tracker checkpoint"),
])
def test_other_files_are_named(tmp_path, content, message):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(TrackerError, match=rf"other\.pth: .*{message}"):
        check_pretrained(WIDE, tmp_path / "other.pth")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TrackerError, match=r"absent\.pth: no such"):
        check_pretrained(TINY, tmp_path / "absent.pth")
