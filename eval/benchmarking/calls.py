"""What is timed of a tracker: its network alone, and whole updates."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from eval.benchmarking.footage import Footage
from eval.benchmarking.timing import Call
from eval.peers.nanotrack import NanoTrack
from tracker.online import SiameseTracker
from tracker.onnx_network import OnnxNetwork

Racer = SiameseTracker | NanoTrack


def network_calls(racer: Racer, footage: Footage) -> list[Call]:
    """The whole network on the search crop of each frame but the first, in the layout that its runtime takes."""
    if isinstance(racer, NanoTrack):
        racer.init(footage.frames[0], footage.boxes[0])
        return [partial(racer.respond, racer.crop_search(frame)) for frame in footage.frames[1:]]
    network = racer.network
    with torch.inference_mode():
        kernel = network.embed(footage.template(network.config.template_size))
    searches = footage.searches(racer)
    if isinstance(network, OnnxNetwork):
        searches = [search.contiguous() for search in searches]
    return [partial(_inferred, network, kernel, search) for search in searches]


def update_calls(racer: Racer, footage: Footage) -> list[Call]:
    """An update in each frame but the first, each from the true box of the frame before.

    So all contestants cut out the same regions, wherever their weights would have led them.
    """
    calls: list[Call] = []
    for before, frame, box in zip(footage.frames, footage.frames[1:], footage.boxes, strict=False):
        racer.init(before, box)
        calls.append(partial(_update, racer, dict(vars(racer)), frame))
    return calls


@torch.inference_mode()
def _inferred(network: Any, kernel: torch.Tensor, search: torch.Tensor) -> object:
    return network(kernel, search)


def _update(racer: Racer, shown: dict[str, Any], frame: Any) -> object:
    # What a tracker remembers are attributes that updates set anew, so it can be put back to where it was shown a box.
    vars(racer).update(shown)
    return racer.update(frame)
