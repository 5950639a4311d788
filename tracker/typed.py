"""Dataclasses made of configuration sections, with errors that name the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from math import isfinite
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from tracker.errors import TrackerError

Options = TypeVar("Options")


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
