"""Configurations: presets by name or files, with overrides, checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from mmengine.config import Config, ConfigDict

from tracker.errors import TrackerError
from tracker.typed import without_none
from tracker.validation import section_kinds

PRESETS = Path(__file__).parent / "configs"
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
    """Set the field `key`; what is no section on the way to it becomes one."""
    section, *path = key.split(".")
    if section not in SECTIONS:
        raise TrackerError(f"--cfg-options {key}: the configuration has no field {section!r}; "
                           f"known are {', '.join(sorted(SECTIONS))}")
    node: Any = config
    name, kind = section, section_kinds(config)[section]
    for index, field_name in enumerate(path):
        if not is_dataclass(kind):
            raise TrackerError(f"--cfg-options {key}: {'.'.join([section, *path[:index]])} has no fields")
        hints = get_type_hints(kind)
        if field_name not in hints:
            raise TrackerError(f"--cfg-options {key}: the configuration has no field {field_name!r}; "
                               f"known are {', '.join(sorted(hints))}")
        node, name, kind = _subsection(node, name), field_name, without_none(hints[field_name])
        if get_origin(kind) is dict and path[index + 1:]:  # its keys are free, and may hold dots
            node, name = _subsection(node, name), ".".join(path[index + 1:])
            break
    node[name] = ConfigDict(value) if isinstance(value, Mapping) else value


def _subsection(node: Any, name: str) -> Any:
    if not isinstance(node.get(name), Mapping):
        node[name] = ConfigDict()
    return node[name]
