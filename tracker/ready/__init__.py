"""The trackers that come with the package: packed, ready to use; `MODEL_CARD.md` says what they are and can."""

from pathlib import Path

READY_MODEL = Path(__file__).with_name("nano.packed")
READY = {"ready": READY_MODEL, "ready-fp": READY_MODEL.with_name("nano-fp.packed")}
"""By name: the partly 1-bit one, and the one in full precision (int8) that it was made of: surer, larger, slower."""


def named(checkpoint: str) -> Path:
    """The file of one of these trackers, or the path of any other."""
    return READY.get(checkpoint) or Path(checkpoint)
