"""Files that appear whole: written under a temporary name beside the real one, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes the name when the block ends, and goes if the block fails.

    A reader sees the old file or the new one, never half of one. Missing folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        yield temporary
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    os.replace(temporary, path)


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 text file, and the folders above it where needed."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
