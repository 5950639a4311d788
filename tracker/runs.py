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
        summary: what `summary.json` says; keys in `tracker.training.runs.summarize`.
    """

    name: str
    path: Path
    checkpoint: Path
    summary: dict[str, Any]


def find_runs(folder: Path) -> list[Run]:
    """Every run directory at or below `folder` whose training has finished, by name.

    Raises:
        TrackerError: a summary that is no JSON object in UTF-8; the message names the file.
    """
    runs = []
    for file in sorted(Path(folder).rglob("summary.json")):
        checkpoint = file.with_name("checkpoint.pth")
        if not checkpoint.is_file():
            continue
        summary = _read(file)
        name = file.parent.relative_to(folder).as_posix()
        runs.append(Run(file.parent.name if name == "." else name, file.parent, checkpoint, summary))
    return runs


def _read(file: Path) -> dict[str, Any]:
    try:
        summary = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(summary, dict):
            return summary
        problem = f"holds a {type(summary).__name__}, not an object"
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno}: {error.msg}"
    except UnicodeDecodeError:
        problem = "not UTF-8 text"
    raise TrackerError(f"{file}: {problem}; remove it and train again with --resume")
