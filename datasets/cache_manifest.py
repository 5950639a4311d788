"""The record beside a cache: what it holds, from which source, with which options, and whether it is whole.

``manifest.json`` appears only when a cache is complete. Until then ``progress.jsonl`` holds a header and one
line for each sequence that is safely in the database, so that an interrupted job goes on where it was.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from datasets.cached_crops import CacheOptions
from datasets.errors import DataError
from datasets.files import replacing, write_text

FORMAT = "b2track.cache/2"
MANIFEST, JOURNAL, DATABASE = "manifest.json", "progress.jsonl", "data.mdb"


@dataclass(frozen=True)
class Entry:
    """One stored sequence: its name, number of frames and CRC-32 over all its records."""

    name: str
    frames: int
    crc: int


@dataclass(frozen=True)
class Manifest:
    """A complete cache."""

    source: str
    options: CacheOptions
    entries: tuple[Entry, ...]


def header(source: str, options: CacheOptions) -> dict:
    """What must be equal for two caches to be the same."""
    return {"format": FORMAT, "source": source, "options": asdict(options)}


def load(folder: Path) -> Manifest:
    """Read the manifest of a complete cache.

    Raises:
        DataError: there is none, the cache is unfinished, of another version or damaged, or the database is smaller
            than it was when complete.
    """
    path = folder / MANIFEST
    if not path.is_file():
        if (folder / JOURNAL).is_file():
            raise DataError(f"{folder}: unfinished cache; run the command that builds it again, it goes on")
        raise DataError(f"{folder}: no cache here ({MANIFEST} not found); build it with tools/make_lmdb.py")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content["format"]
        if found != FORMAT:
            raise DataError(f"{folder}: cache of format {found!r}, expected {FORMAT!r}; delete it and build it again")
        if content["complete"] is not True:
            raise ValueError("not marked complete")
        entries = tuple(Entry(**entry) for entry in content["sequences"])
        manifest = Manifest(content["source"], CacheOptions(**content["options"]), entries)
        size = int(content["database_bytes"])
    except DataError:
        raise
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path}: damaged manifest ({error}); delete {folder} and rebuild it") from error
    _require_whole(folder / DATABASE, size)
    return manifest


def _require_whole(database: Path, size: int) -> None:
    """Refuse a database that was cut: reading beyond its end would kill the process (SIGBUS), not raise."""
    if not database.is_file():
        raise DataError(f"{database.parent}: the cache lacks {DATABASE}; delete and rebuild it")
    found = database.stat().st_size
    if found < size:
        raise DataError(f"{database}: truncated ({found} of {size} bytes); copy it again, or delete "
                        f"{database.parent} and rebuild it")


def read_header(folder: Path) -> dict | None:
    """The `header` of the cache in `folder`, whole or begun, of any version; None where there is no readable one."""
    for name in (MANIFEST, JOURNAL):
        try:
            lines = (folder / name).read_text(encoding="utf-8")
            content = json.loads(lines if name == MANIFEST else lines.splitlines()[0])
            return {key: content[key] for key in ("format", "source", "options")}
        except (OSError, ValueError, TypeError, KeyError, IndexError):
            continue
    return None


def save(folder: Path, manifest: Manifest) -> None:
    """Declare the cache complete, its database being closed; the manifest appears by rename, then the journal goes."""
    content = header(manifest.source, manifest.options) | {
        "database_bytes": (folder / DATABASE).stat().st_size,
        "sequences": [asdict(entry) for entry in manifest.entries],
        "complete": True,
    }
    with replacing(folder / MANIFEST) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    (folder / JOURNAL).unlink(missing_ok=True)


def read_journal(folder: Path) -> tuple[dict, list[Entry]]:
    """Return the header and the entries of an unfinished cache; a line cut short by a kill is left out.

    Raises:
        DataError: the journal has no readable header.
    """
    lines: list[dict] = []
    for line in (folder / JOURNAL).read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    if not lines or "format" not in lines[0]:
        raise DataError(f"{folder / JOURNAL}: damaged; delete {folder} and rebuild it")
    return lines[0], [Entry(**line) for line in lines[1:]]


def start_journal(folder: Path, source: str, options: CacheOptions, entries: list[Entry]) -> None:
    """Write a journal with these entries in place of the one that is there."""
    lines = [header(source, options), *(asdict(entry) for entry in entries)]
    write_text(folder / JOURNAL, "".join(json.dumps(line) + "\n" for line in lines))


def append_journal(folder: Path, entries: list[Entry]) -> None:
    """Note sequences that the database has committed."""
    with open(folder / JOURNAL, "a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(entry)) + "\n" for entry in entries)
