"""What a search has worked out so far, in a file that a killed search goes on from.

JSON lines. The first says which search this is:

    {"format": "b2nn.search/1", "strategy": "sensitivity", "seed": 0, ...}

and each of the others is one piece of work, a candidate's loss for instance, with the budget it was worked out for and
what it cost:

    {"key": ["layer1.conv", "layer2.conv"], "value": 0.25, "forward_passes": 12, "backward_passes": 0, "seconds": 0.4,
     "budget": 0.3}

The budget is no part of the search's identity: the value of a key does not depend on it, so searches that differ in
nothing else share one file, at the same time too. A line that a kill cut short is dropped; everything else is taken
as it stands.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from b2nn.errors import B2nnError
from b2nn.search.ranks import attempt, from_first, gather, rank_and_count

try:
    import fcntl
except ImportError:  # no POSIX: there nothing keeps two writers apart
    fcntl = None  # type: ignore[assignment]

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

    What another ledger of the same file adds while this one is open is not seen; both may then do the same work.

    Args:
        path: None to keep nothing.
        search: JSON-ready facts that make this search the one it is, its budget aside.
        budget: what the work is done for.

    Raises:
        B2nnError: the file is that of another search, or of something else.
    """

    def __init__(self, path: Path | None, search: Mapping[str, Any], budget: float | None = None) -> None:
        self.path, self.budget = path, budget
        self._entries: dict[Key, dict[str, Any]] = {}
        self._asked: dict[Key, None] = {}  # a set that keeps its order
        for entry in from_first(lambda: [] if path is None else _open(path, search)):
            key = tuple(entry["key"])
            # Two searches at once may both have done it; its own work is what this one has to account for.
            if key not in self._entries or entry["budget"] == budget:
                self._entries[key] = entry

    def values(self, keys: Sequence[Key], work: Callable[[Key], Work]) -> list[Any]:
        """The value of each key; those not known yet are dealt to the processes, one each at a time.

        Args:
            work: must give the same value for a key in every process, and have no lasting effect.
        """
        self._asked |= dict.fromkeys(keys)
        missing = [key for key in dict.fromkeys(keys) if key not in self._entries]
        rank, count = rank_and_count()
        for start in range(0, len(missing), count):
            dealt = missing[start:start + count]
            done = gather(attempt(partial(_timed, dealt[rank], work)) if rank < len(dealt) else None)
            for entry in done:
                if isinstance(entry, B2nnError):
                    raise entry
            self._add([{**entry, "budget": self.budget} for entry in done if isinstance(entry, dict)])
        return [self._entries[key]["value"] for key in keys]

    def costs(self) -> dict[str, Any]:
        """What the values asked for have cost: totals of ``forward_passes``, ``backward_passes`` and ``seconds``, over
        all processes and sittings, and under ``reused`` the same of the work that was done for other budgets."""
        asked = [self._entries[key] for key in self._asked if key in self._entries]
        own = [entry for entry in asked if entry["budget"] == self.budget]
        return {**_total(own), "reused": _total([entry for entry in asked if entry["budget"] != self.budget])}

    def _add(self, entries: list[dict[str, Any]]) -> None:
        self._entries |= {tuple(entry["key"]): entry for entry in entries}
        if self.path is not None and rank_and_count()[0] == 0:
            with _alone(self.path) as file:
                _whole_lines(file)
                file.write("".join(json.dumps(entry) + "\n" for entry in entries).encode())


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


def _open(path: Path, search: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The work that `path` holds; the file is cut back to its whole lines, or begun."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path) as file:
        content = file.read()
        header = json.dumps(identified(search)) + "\n"
        if b"\n" not in content and header.encode().startswith(content):  # nothing, or the first line cut short
            file.truncate(0)
            file.write(header.encode())
            return []
        try:
            first, *rest = [json.loads(line) for line in content[:content.rfind(b"\n") + 1].splitlines()]
        except ValueError:
            first, rest = None, []
        refuse_other(path, first, search)
        _whole_lines(file)
        return rest


@contextmanager
def _alone(path: Path) -> Iterator[BinaryIO]:
    """`path`, from its beginning and written at its end, while no other process has it open in this way."""
    with path.open("a+b") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)  # goes when the file is closed, or with its process
        file.seek(0)
        yield file


def _whole_lines(file: BinaryIO) -> None:
    """Cut off a last line that a killed process has left without its end."""
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)


def _total(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: sum(entry[name] for entry in entries) for name in COSTS}


def _timed(key: Key, work: Callable[[Key], Work]) -> dict[str, Any]:
    started = time.perf_counter()
    value, forward, backward = work(key)
    return {"key": list(key), "value": value, "forward_passes": forward, "backward_passes": backward,
            "seconds": round(time.perf_counter() - started, 6)}
