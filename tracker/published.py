"""Checkpoints of other projects, brought into the form of ours by the names of their weights."""

from __future__ import annotations

import _codecs
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from tracker.models.nanotrack import rename_published

# NanoTrack's own settings of the online tracker, by version (github HonglinChu/SiamTrackers, models/config).
NANOTRACK_TRACKING = {
    2: dict(window_influence=0.490, penalty_k=0.150, size_lr=0.385),
    3: dict(window_influence=0.455, penalty_k=0.138, size_lr=0.348),
}


def as_checkpoint(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """`model`, `tracking` and `state_dict` of a published tracker; None if `content` is none that is known.

    Known are SiamFC (keys as in siamfc-pytorch) and NanoTrack 2 and 3.
    """
    if "backbone.conv1.0.weight" in content:
        return {"model": {"type": "siamfc"}, "state_dict": dict(content)}
    state = content.get("state_dict")
    if not isinstance(state, Mapping):
        return None
    for version, key in ((2, "ban_head.cls_pw_tower.0.weight"), (3, "ban_head.corr_dw_cls.conv_kernel.0.weight")):
        if key in state:
            return {"model": {"type": "nanotrack", "version": version}, "tracking": NANOTRACK_TRACKING[version],
                    "state_dict": rename_published(state)}
    return None


@contextmanager
def allowed_globals() -> Iterator[None]:
    """What `torch.load(weights_only=True)` must let pass besides tensors: NanoTrack's files hold numpy scalars."""
    scalar = np.float64(0).__reduce__()[0]
    names = [(scalar, "numpy.core.multiarray.scalar"), np.dtype, type(np.dtype(np.float64)), _codecs.encode]
    with torch.serialization.safe_globals(names):
        yield
