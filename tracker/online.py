"""The tracker itself: `init` on the first frame, `update` on each one after it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch

from b2nn.packed.library import kernel
from tracker.checkpoint import load_checkpoint
from tracker.errors import TrackerError
from tracker.form import choose_packed, form_of
from tracker.frames import COLOURS, Colour, as_bgr
from tracker.localize import (
    AnchorFreeLocalizer,
    AnchorFreeOptions,
    ScaleSearchLocalizer,
    ScaleSearchOptions,
)
from tracker.models import Network, SiamFCConfig
from tracker.onnx_network import OnnxNetwork
from tracker.packed import PackedTrackerNetwork, load_packed, pack_network
from tracker.track import LostOptions, Result, Track, start_track
from tracker.typed import typed


class SiameseTracker:
    """Tracks one target with a Siamese network; `update` makes one network call.

    A target that is lost stays where it was last seen, at its size, and one place around it is searched in every
    frame (`tracker.track.SEARCH_PATTERN`) without the cosine window until the score says that it is found.

    Args:
        network: trained network; several trackers may share one.
        tracking: fields of `LostOptions` and of the network's own `AnchorFreeOptions` or `ScaleSearchOptions`.
        colour: order of the frames' channels, "bgr" as OpenCV reads them or "rgb" as others do.

    Raises:
        TrackerError: unknown options.
    """

    def __init__(self, network: Network | PackedTrackerNetwork | OnnxNetwork, tracking: Mapping[str, Any] | None = None,
                 colour: Colour = "bgr") -> None:
        if colour not in COLOURS:
            raise TrackerError(f"colour {colour!r}: frames are one of {', '.join(COLOURS)}")
        self.network, self.colour = network.eval(), colour
        options = dict(tracking or {})
        lost = {entry.name: options.pop(entry.name) for entry in fields(LostOptions) if entry.name in options}
        self.lost_options: LostOptions = typed(LostOptions, lost, "tracking")
        self.localize: AnchorFreeLocalizer | ScaleSearchLocalizer
        if isinstance(network.config, SiamFCConfig):
            self.localize = ScaleSearchLocalizer(network, typed(ScaleSearchOptions, options, "tracking"))
        else:
            self.localize = AnchorFreeLocalizer(network, typed(AnchorFreeOptions, options, "tracking"))
        self._track: Track | None = None

    def __copy__(self) -> SiameseTracker:
        """A tracker of its own, in the same state, that shares the weights; it may run in another thread."""
        twin = SiameseTracker.__new__(SiameseTracker)
        twin.__dict__ |= self.__dict__
        if isinstance(self.network, PackedTrackerNetwork):  # has maps that two threads must not write at once
            twin.network, twin.localize = self.network.twin(), copy.copy(self.localize)
            twin.localize.network = twin.network
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> SiameseTracker:
        """As `copy.copy`: what is shared, the weights, never changes."""
        return copy.copy(self)

    def __reduce__(self) -> NoReturn:
        raise TrackerError("a tracker cannot be pickled; load it in each process: tracker.load(checkpoint)")

    def __repr__(self) -> str:
        runs = f"torch, {next(self.network.parameters()).device}"
        if isinstance(self.network, PackedTrackerNetwork):
            runs = f"packed, {kernel()} kernels"
        elif isinstance(self.network, OnnxNetwork):
            runs = "onnxruntime"
        state = "no target yet" if self._track is None else "lost" if self._track.lost_frames else "tracking"
        return f"<{type(self).__name__}: {type(self.network.config).__name__} ({runs}), {self.colour}, {state}>"

    @torch.inference_mode()
    def init(self, frame: np.ndarray | torch.Tensor, box: np.ndarray) -> None:
        """Show the target.

        Args:
            frame: see `tracker.frames.as_bgr`; OpenCV's (H, W, 3) uint8 are taken as they are.
            box: x, y, w, h in pixels, 0-based, sides of at least 1; may reach beyond the frame but must meet it.

        Raises:
            TrackerError: not such a frame, or no such box (`tracker.boxes.as_box`).
        """
        image = as_bgr(frame, self.colour)
        self._track = start_track(self.network, image, box, self.lost_options)
        self.prepare(image, [self._track])

    def prepare(self, image: np.ndarray, tracks: Sequence[Track]) -> None:
        """Let a packed network make its maps for a frame of so many targets, so that no frame of a video waits for it.

        Args:
            image: (H, W, 3) BGR, in which the targets are looked for once, to no end.
        """
        if isinstance(self.network, PackedTrackerNetwork):
            self.localize(image, [track.search(image) for track in tracks])

    @torch.inference_mode()
    def update(self, frame: np.ndarray | torch.Tensor) -> Result:
        """Find the target in the next frame.

        Raises:
            TrackerError: `init` was not called, or the frame is no image.
        """
        if self._track is None:
            raise TrackerError("update was called before init")
        image = as_bgr(frame, self.colour)
        (candidate,) = self.localize(image, [self._track.search(image)])
        self._track, result = self._track.take(candidate, image)
        return result


def load_tracker(checkpoint: Path, device: str = "cpu", packed: bool = False, colour: Colour = "bgr") -> SiameseTracker:
    """The tracker of what this project wrote, or of a published SiamFC or NanoTrack file.

    Args:
        checkpoint: a checkpoint, a packed tracker, or a folder of ONNX graphs, which get as many threads as torch has.
        packed: pack the network of a checkpoint.
        colour: order of the frames' channels.

    Raises:
        CheckpointError: the file cannot be read or holds another architecture.
        TrackerError: a packed network or ONNX graphs are to run elsewhere than on the CPU.
        B2nnError: the network has no packed form.
    """
    form = form_of(checkpoint, packed=False)
    if form != "torch":
        if device != "cpu":
            what = "is packed, which runs" if form == "packed" else "holds ONNX graphs, which run"
            raise TrackerError(f"{checkpoint}: {what} on the CPU only; device {device!r} needs a checkpoint")
        if form == "packed":
            return SiameseTracker(*load_packed(checkpoint), colour)
        graphs = OnnxNetwork(checkpoint, torch.get_num_threads())
        return SiameseTracker(graphs, graphs.stored.tracking, colour)
    if packed:
        choose_packed(True, device)
    plain, stored = load_checkpoint(checkpoint, device)
    if not packed:
        return SiameseTracker(plain, stored.tracking, colour)
    return SiameseTracker(PackedTrackerNetwork(pack_network(plain, stored)), stored.tracking, colour)
