"""Configurations: presets by name or files, with overrides, checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from math import isfinite
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from mmengine.config import Config, ConfigDict

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
    """Set the field `key`; what is no section on the way to it becomes one."""
    from tracker.validation import section_kinds  # it knows every section, and they know this module

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


def typed(kind: type[Options], options: Mapping[str, Any], where: str, base: Options | None = None) -> Options:
    """Make the dataclass `kind` of a section's fields; fields that are dataclasses take sections of their own.

    Args:
        kind: dataclass whose annotations are int, float, str, bool, dict[str, str], dataclasses, or one of these or
            None.
        options: fields by name.
        where: place of the section in the configuration, such as ``data.pairs``.
        base: what fields are that `options` does not name; by default those of the dataclass.

    Raises:
        TrackerError: a field that is unknown, missing or has a value that it cannot take; the message names it and
            what it can take.
    """
    if not isinstance(options, Mapping):
        raise TrackerError(f"{where} is {options!r}; it must be a section with fields of {kind.__name__}")
    known = {entry.name: entry for entry in fields(kind)}
    unknown = sorted(str(name) for name in set(options) - set(known))
    if unknown:
        raise TrackerError(f"unknown field {where}.{unknown[0]}; known are {', '.join(sorted(known))}")
    hints = get_type_hints(kind)
    values = {} if base is None else {name: getattr(base, name) for name in known}
    for name, value in options.items():
        values[name] = _value(hints[name], value, f"{where}.{name}", _default(known[name], base))
    missing = [name for name, entry in known.items() if name not in values and _default(entry, None) is MISSING]
    if missing:
        raise TrackerError(f"{where}.{missing[0]} is missing; give it a value")
    try:
        return kind(**values)
    except ValueError as error:  # of a dataclass that checks its fields and begins its message with their names
        named = str(error).split(" ")[0].split(".")[0] in known
        raise TrackerError(f"{where}{'.' if named else ': '}{error}") from error


def without_none(hint: Any) -> Any:
    """`X` of the annotation ``X | None``, any other as it is."""
    choices = [choice for choice in get_args(hint) if choice is not type(None)]
    return choices[0] if isinstance(hint, UnionType) and len(choices) == 1 else hint


def _default(entry: Field, base: Any) -> Any:
    if base is not None:
        return getattr(base, entry.name)
    return entry.default if entry.default_factory is MISSING else entry.default_factory()


def _value(hint: Any, value: Any, where: str, default: Any) -> Any:
    """`value` as the annotation `hint` wants it; TrackerError where it is of another type."""
    kind = without_none(hint)
    optional = kind is not hint
    if value is None and optional:
        return None
    if is_dataclass(kind):
        return typed(kind, value, where, default if is_dataclass(default) else None)
    number = not isinstance(value, bool) and isinstance(value, int | float)
    fits, allowed = {
        int: (number and isinstance(value, int), "an integer"),
        float: (number and isfinite(value), "a number"),
        str: (isinstance(value, str), "a word"),
        bool: (isinstance(value, bool), "True or False"),
        dict[str, str]: (isinstance(value, Mapping) and all(isinstance(text, str) for text in
                                                            (*value.keys(), *value.values())), "texts by name"),
    }[kind]
    if not fits:
        raise TrackerError(f"{where} is {value!r}; it must be {allowed}{' or None' if optional else ''}")
    return value
