"""The tracker that comes with the package: packed, ready to use; `MODEL_CARD.md` says what it is and can."""

from pathlib import Path

READY_MODEL = Path(__file__).with_name("nano.packed")
