"""One writer at a time: the lock by which a second process waits until the first has built the cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datasets.errors import DataError
from datasets.progress import Progress, silent

try:
    import fcntl
except ImportError:  # no POSIX: there nothing keeps two writers apart
    fcntl = None  # type: ignore[assignment]


@contextmanager
def build_lock(folder: Path, progress: Progress = silent) -> Iterator[None]:
    """Be the only process that writes the cache `folder`, after waiting for the one that does.

    The lock is the file ``.NAME.lock`` beside the folder. It goes with its process, however that dies; the empty file
    stays, because removing it would let a waiting and a starting process in together.

    Args:
        folder: of the cache; it need not exist.
        progress: told where there is someone to wait for.

    Raises:
        DataError: the lock file cannot be written.
    """
    path = folder.parent / f".{folder.name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); choose another folder for caches") from error
    with open(path, "a") as file:
        if fcntl is not None:
            _wait(file.fileno(), f"waiting for the process that builds {folder.name}", progress)
        yield


def _wait(descriptor: int, label: str, progress: Progress) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress(label, 0, 1)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        progress(label, 1, 1)
