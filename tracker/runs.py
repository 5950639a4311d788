"""Finished run directories: where they are and what their summaries say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracker.errors import TrackerError


@dataclass(frozen=True)
class Run:
    """One trained tracker.

    Attributes:
        name: its folder below the folder that was searched, such as ``demo/mixbin-0.3``.
        path: the run directory.
        checkpoint: its weights.
        summary: what `summary.json` says; keys in `tracker.training.summary`.
    """

    name: str
    path: Path
    checkpoint: Path
    summary: dict[str, Any]


def find_runs(folder: Path) -> list[Run]:
    """Every run directory at or below `folder` whose training has finished, by name.

    Raises:
        TrackerError: a summary that is no JSON object.
    """
    runs = []
    for file in sorted(Path(folder).rglob("summary.json")):
        checkpoint = file.with_name("checkpoint.pth")
        if not checkpoint.is_file():
            continue
        try:
            summary = json.loads(file.read_text())
        except json.JSONDecodeError as error:
            raise TrackerError(f"{file}: line {error.lineno}: {error.msg}") from error
        name = file.parent.relative_to(folder).as_posix()
        runs.append(Run(file.parent.name if name == "." else name, file.parent, checkpoint, summary))
    return runs
