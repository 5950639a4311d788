"""`tools/demo.py --web`: from its options to a server that answers until it is stopped."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tracker.device import require_device
from tracker.errors import OptionError, TrackerError
from tracker.form import choose_packed
from tracker.web.address import is_loopback
from tracker.web.limits import Limits
from tracker.web.scratch import scratch_folder
from tracker.web.trackers import find_choices

try:
    from tracker.web.server import Server, listen
except ImportError as error:
    if error.name not in ("aiohttp", "PIL"):
        raise
    raise ImportError(f"--web needs {error.name}; pip install 'b2track[web]'") from error


@dataclass(frozen=True)
class WebOptions:
    """Options of `tools/demo.py --web`, which explains them."""

    host: str = "127.0.0.1"
    port: int = 8080
    videos: Path | None = None
    cameras: tuple[str, ...] = ()
    checkpoints: tuple[Path, ...] = ()
    device: str = "cpu"
    certificate: Path | None = None
    packed: bool | None = None
    limits: Limits = field(default_factory=Limits)


def run_web(options: WebOptions) -> None:
    """Serve the page until Ctrl-C or SIGTERM; prints its address.

    Raises:
        TrackerError: bad options.
        OSError: the port is taken, or the certificate cannot be read.
    """
    if options.videos and not options.videos.is_dir():
        raise TrackerError(f"--videos {options.videos}: no such folder")
    for path in options.checkpoints:
        if not path.exists():
            raise OptionError("--checkpoint", path, "no such file")
    if not options.host:
        raise OptionError("--host", "''", "is no address; 0.0.0.0 means all networks of this machine")
    require_device(options.device)
    packed = choose_packed(options.packed, options.device, options.checkpoints)
    choices = find_choices(Path("work_dirs"), options.checkpoints, options.device, packed)
    token = None if is_loopback(options.host) else secrets.token_urlsafe(12)
    with scratch_folder() as scratch:
        server = Server(choices, scratch, options.videos, options.cameras, token, options.limits)
        asyncio.run(_serve(server, options))


async def _serve(server: Server, options: WebOptions) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        except NotImplementedError:  # Windows: there Ctrl-C interrupts
            break
    runner, address = await listen(server, options.host, options.port, options.certificate)
    try:
        print(address, flush=True)
        print("Ctrl-C ends the server", file=sys.stderr)
        await stopped.wait()
    finally:
        await runner.cleanup()
