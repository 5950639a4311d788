"""What a search has worked out so far, in a file that a killed search goes on from.

JSON lines. The first says which search this is:

    {"format": "b2nn.search/1", "strategy": "sensitivity", "budget": 0.3, ...}

and each of the others is one piece of work, a candidate's loss for instance, with what it cost:

    {"key": ["layer1.conv", "layer2.conv"], "value": 0.25, "forward_passes": 12, "backward_passes": 0, "seconds": 0.4}

A line that a kill cut short is dropped; everything else is taken as it stands.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from b2nn.errors import B2nnError
from b2nn.search.ranks import attempt, from_first, gather, rank_and_count

FORMAT = "b2nn.search/1"
COSTS = ("forward_passes", "backward_passes", "seconds")

Key = tuple[str, ...]


class Work(NamedTuple):
    """The outcome of a piece of work.

    Attributes:
        value: JSON-ready.
        forward_passes, backward_passes: of the network, a batch each.
    """

    value: Any
    forward_passes: int
    backward_passes: int


class Ledger:
    """Pieces of work by key, shared by all processes and, with a `path`, kept there.

    Args:
        path: None to keep nothing.
        search: JSON-ready facts that make this search the one it is.

    Raises:
        B2nnError: the file is that of another search, or of something else.
    """

    def __init__(self, path: Path | None, search: Mapping[str, Any]) -> None:
        self.path = path
        self._entries: dict[Key, dict[str, Any]] = from_first(lambda: {} if path is None else _open(path, search))

    def values(self, keys: Sequence[Key], work: Callable[[Key], Work]) -> list[Any]:
        """The value of each key; those not known yet are dealt to the processes, one each at a time.

        Args:
            work: must give the same value for a key in every process, and have no lasting effect.
        """
        missing = [key for key in dict.fromkeys(keys) if key not in self._entries]
        rank, count = rank_and_count()
        for start in range(0, len(missing), count):
            dealt = missing[start:start + count]
            done = gather(attempt(partial(_timed, dealt[rank], work)) if rank < len(dealt) else None)
            for entry in done:
                if isinstance(entry, B2nnError):
                    raise entry
            self._add([entry for entry in done if isinstance(entry, dict)])
        return [self._entries[key]["value"] for key in keys]

    def costs(self) -> dict[str, Any]:
        """Totals of ``forward_passes``, ``backward_passes`` and ``seconds``, over all processes and sittings."""
        return {name: sum(entry[name] for entry in self._entries.values()) for name in COSTS}

    def _add(self, entries: list[dict[str, Any]]) -> None:
        self._entries |= {tuple(entry["key"]): entry for entry in entries}
        if self.path is not None and rank_and_count()[0] == 0:
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(entry) + "\n" for entry in entries)


def difference(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first fact in which two searches differ, as ``budget (0.3, not 0.5)``; '' where they agree."""
    wanted = json.loads(json.dumps(wanted))
    for name in sorted({*stored, *wanted}):
        if stored.get(name) != wanted.get(name):
            return f"{name} ({stored.get(name)!r}, not {wanted.get(name)!r})"
    return ""


def refuse_other(path: Path, stored: Any, wanted: Mapping[str, Any]) -> None:
    """`B2nnError` unless the facts `stored` in `path` are those of the search that is wanted."""
    if not isinstance(stored, Mapping) or stored.get("format") != FORMAT:
        raise B2nnError(f"{path}: holds no search; name another file")
    other = difference(stored, identified(wanted))
    if other:
        raise B2nnError(f"{path}: holds a search with another {other}; name another file or remove this one")


def identified(search: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a search as its file begins with."""
    return {"format": FORMAT, **search}


def _open(path: Path, search: Mapping[str, Any]) -> dict[Key, dict[str, Any]]:
    """What `path` holds; cut back to its whole lines, or begun."""
    content = path.read_bytes() if path.is_file() else b""
    whole = content[:content.rfind(b"\n") + 1]
    header = json.dumps(identified(search)) + "\n"
    if not whole and header.encode().startswith(content):  # nothing, or the first line cut short
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(header, encoding="utf-8")
        return {}
    try:
        first, *rest = [json.loads(line) for line in whole.splitlines()]
    except ValueError:
        first, rest = None, []
    refuse_other(path, first, search)
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return {tuple(entry["key"]): entry for entry in rest}


def _timed(key: Key, work: Callable[[Key], Work]) -> dict[str, Any]:
    started = time.perf_counter()
    value, forward, backward = work(key)
    return {"key": list(key), "value": value, "forward_passes": forward, "backward_passes": backward,
            "seconds": round(time.perf_counter() - started, 6)}
