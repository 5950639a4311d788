"""Calls spread over worker processes, one at a time in each. A process that dies fails its own call only."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

# Spawned, not forked: torch's threads and CUDA do not survive a fork.
_SPAWN = multiprocessing.get_context("spawn")


@dataclass
class _Worker:
    """A process, our end of the pipe to it, and the number of the call that it is busy with."""

    process: BaseProcess
    connection: Connection
    call: int = -1


def in_processes(
    function: Callable[..., None], calls: Sequence[tuple[Any, ...]], workers: int,
    prepare: Callable[[], None] | None = None,
) -> Generator[tuple[int, str | None], None, None]:
    """Call `function(*call)` for each call in its turn, and yield the number of each that ends, with its error.

    Everything is sent to other processes: functions must be importable by name, or `functools.partial`s of such.
    Where the caller stops early (an exception, Ctrl-C, a closed iterator) the workers are ended at once; where the
    caller's process is killed they end by themselves.

    Args:
        function: what to call.
        calls: its arguments.
        workers: processes at a time, at least 1.
        prepare: called once in each process, before anything else; None: nothing.

    Yields:
        Number of the call, and what went wrong in one line, None if nothing did.
    """
    waiting = deque(range(len(calls)))
    busy: list[_Worker] = []
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                busy.append(_give(_start(function, prepare), waiting.popleft(), calls))
            ready = wait([worker.connection for worker in busy])
            for worker in [worker for worker in busy if worker.connection in ready]:
                busy.remove(worker)
                call = worker.call
                alive, error = _answer(worker)
                if alive and waiting:
                    busy.append(_give(worker, waiting.popleft(), calls))
                elif alive:
                    _end(worker)
                yield call, error
    finally:
        for worker in busy:
            worker.process.terminate()
            _end(worker)


def one_line(error: BaseException) -> str:
    """An error as a line: its text where that is meant for users, with its type where it is not."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"


def _start(function: Callable[..., None], prepare: Callable[[], None] | None) -> _Worker:
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve, args=(theirs, function, prepare))
    process.start()
    # Without this copy the pipe ends when the process does.
    theirs.close()
    return _Worker(process, ours)


def _give(worker: _Worker, call: int, calls: Sequence[tuple[Any, ...]]) -> _Worker:
    worker.call = call
    with suppress(BrokenPipeError):  # it has died; reading its answer tells
        worker.connection.send(calls[call])
    return worker


def _answer(worker: _Worker) -> tuple[bool, str | None]:
    """Whether the worker lives, and the error of its call."""
    try:
        return True, worker.connection.recv()
    except (EOFError, ConnectionResetError):
        _end(worker)
        return False, f"its process died (exit code {worker.process.exitcode}; out of memory?)"


def _end(worker: _Worker) -> None:
    worker.connection.close()
    worker.process.join()


def _serve(connection: Connection, function: Callable[..., None], prepare: Callable[[], None] | None) -> None:
    # Ctrl-C reaches the whole group; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if prepare is not None:
        prepare()
    while True:
        try:
            call = connection.recv()
        except EOFError:
            return
        connection.send(_error_of(function, call))


def _error_of(function: Callable[..., None], call: tuple[Any, ...]) -> str | None:
    try:
        function(*call)
    except Exception as error:
        return one_line(error)
    return None


def _die_with_parent() -> None:
    """Leave nothing that would go on writing results after the command was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
