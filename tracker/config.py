"""Configurations: presets by name or files, with overrides, checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from mmengine.config import Config

from tracker.errors import TrackerError

PRESETS = Path(__file__).parent / "configs"
Options = TypeVar("Options")
SECTIONS = {"model", "data", "fp", "search", "finetune", "runtime", "tracking"}


def preset_names() -> list[str]:
    return sorted(path.stem for path in PRESETS.glob("*.py") if not path.stem.startswith("_"))


def load_config(name_or_path: str | Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """A preset by name or a configuration file, with dotted `overrides` such as ``{"fp.iterations": 100}``.

    Raises:
        TrackerError: no such preset or file, a broken file, or an override of a field that does not exist.
    """
    path = Path(name_or_path)
    if path.suffix != ".py":
        path = PRESETS / f"{name_or_path}.py"
        if not path.is_file():
            raise TrackerError(f"--config {name_or_path}: no such preset; choose {', '.join(preset_names())} "
                               "or name a .py file")
    elif not path.is_file():
        raise TrackerError(f"--config {path}: no such file")
    try:
        config = Config.fromfile(path)
    except Exception as error:
        raise TrackerError(f"--config {path}: {error}") from error
    config.pop("run", None)  # what the command line added to a configuration that is stored with a run
    unknown = sorted(set(config) - SECTIONS)
    missing = sorted(SECTIONS - set(config))
    if unknown or missing:
        what = f"unknown section {unknown[0]!r}" if unknown else f"section {missing[0]!r} is missing"
        raise TrackerError(f"--config {path}: {what}; sections are {', '.join(sorted(SECTIONS))}")
    for key, value in (overrides or {}).items():
        _override(config, key, value)
    return config


def _override(config: Config, key: str, value: Any) -> None:
    *parents, last = key.split(".")
    node: Any = config
    for parent in parents:
        node = node.get(parent) if isinstance(node, Mapping | Config) else None
        if node is None:
            raise TrackerError(f"--cfg-options {key}: the configuration has no field {parent!r}")
    if last not in node and parents[:1] != ["model"]:  # the model's own fields have defaults and are checked there
        raise TrackerError(f"--cfg-options {key}: the configuration has no field {last!r}; "
                           f"known are {', '.join(sorted(node))}")
    node[last] = value


def typed(kind: type[Options], options: Mapping[str, Any], where: str) -> Options:
    """Make the dataclass `kind` of a section's fields; fields that are dataclasses take sections of their own.

    Raises:
        TrackerError: an unknown field; the message names it, its place `where` and those that are known.
    """
    known = {entry.name for entry in fields(kind)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise TrackerError(f"unknown field {where}.{unknown[0]}; known are {', '.join(sorted(known))}")
    hints = get_type_hints(kind)
    values = {key: typed(hints[key], value, f"{where}.{key}") if is_dataclass(hints[key]) else value
              for key, value in options.items()}
    return kind(**values)
