"""How a tracker looks, the same everywhere on the page: colour, dashes and marker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# Okabe and Ito's palette, told apart with any colour vision; without black and yellow, which vanish on one ground.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# In matplotlib's terms -> in SVG's.
_DASHES = {"solid": "", "dashed": "7 3", "dotted": "2 2", "dashdot": "7 2 2 2"}
# In matplotlib's terms, for the areas of those that are not drawn solid.
_HATCHES = {"solid": "", "dashed": "/////", "dotted": ".....", "dashdot": "xxxxx"}
_MARKERS = {"o": "M15 2a4 4 0 1 0 .01 0z", "s": "M11 2h8v8h-8z", "^": "M15 1l5 9h-10z", "D": "M15 1l5 5-5 5-5-5z"}


@dataclass(frozen=True)
class Look:
    """How a tracker is drawn.

    Attributes:
        colour: `#RRGGBB`.
        dash, marker: in matplotlib's terms; they tell trackers of the same colour apart.
    """

    colour: str
    dash: str
    marker: str

    @property
    def hatch(self) -> str:
        """What fills its areas in matplotlib's terms, empty for plain colour."""
        return _HATCHES[self.dash]

    @property
    def bgr(self) -> tuple[int, int, int]:
        """The colour as OpenCV wants it, 0..255."""
        red, green, blue = (int(self.colour[start:start + 2], 16) for start in (1, 3, 5))
        return blue, green, red


def assign_looks(labels: Iterable[str]) -> dict[str, Look]:
    """A look for each label, in their order: colours first, then other dashes and markers. 24 differ."""
    looks = {}
    for index, label in enumerate(dict.fromkeys(labels)):
        turn = index // len(COLOURS) % len(_DASHES)
        looks[label] = Look(COLOURS[index % len(COLOURS)], list(_DASHES)[turn], list(_MARKERS)[turn])
    return looks


def chip(look: Look) -> str:
    """The line and marker of a tracker for legends, as SVG."""
    return (f'<svg aria-hidden="true" viewBox="0 0 30 12"><path d="M0 6h30" stroke="{look.colour}" stroke-width="2" '
            f'stroke-dasharray="{_DASHES[look.dash]}"/><path d="{_MARKERS[look.marker]}" fill="{look.colour}"/></svg>')
