"""What a study knows so far: the rows of its finished cells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from eval.study.cell import made_by
from eval.study.plan import Cell, Study
from eval.study.sources import Sources
from tracker.errors import TrackerError


@dataclass(frozen=True)
class Row:
    """A finished cell and what was measured."""

    cell: Cell
    facts: dict[str, Any]


def read_row(study: Study, cell: Cell, sources: Sources) -> Row | None:
    """The row of a cell, None while it is not finished.

    Raises:
        TrackerError: it was made by other settings, of other data or on other benchmarks.
    """
    file = sources.row(cell)
    if not file.is_file():
        return None
    facts = json.loads(file.read_text(encoding="utf-8"))
    if facts["made_by"] != made_by(study, cell, sources):
        raise TrackerError(f"{file}: made by other settings, of other data or on other benchmarks; remove it and its "
                           "run, or choose another --work-dir")
    return Row(cell, facts)
