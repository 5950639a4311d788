"""The server of the page: who may ask, for what, and how much."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import WSCloseCode, web

from tracker.errors import TrackerError
from tracker.web.address import about_address, https, is_loopback, own_address
from tracker.web.limits import Limits
from tracker.web.offers import Offers
from tracker.web.outgoing import within
from tracker.web.session import Session
from tracker.web.trackers import Choice
from tracker.web.videos import HEAD_BYTES, container

STATIC = Path(__file__).with_name("static")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
                               "connect-src 'self'; media-src blob:; base-uri 'none'; form-action 'none'; "
                               "frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self)",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_GOODBYE_SECONDS = 2.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers pages.

    Args:
        choices: trackers on offer, the first one preset.
        scratch: folder for temporary files, there as long as the server is.
        videos: folder whose videos may be opened.
        cameras: cameras and streams of this machine that may be opened.
        token: first part of every path; without one only pages from this machine are answered.
        limits: bounds.
    """

    def __init__(self, choices: Iterable[Choice], scratch: Path, videos: Path | None = None,
                 cameras: Iterable[str] = (), token: str | None = None, limits: Limits | None = None) -> None:
        self.offers, self.scratch, self.token = Offers(choices, videos, cameras), scratch, token
        self.limits = limits or Limits()
        self.sessions: dict[str, Session] = {}
        self._sockets: set[web.WebSocketResponse] = set()
        self._uploading: set[str] = set()

    def app(self) -> web.Application:
        """The application, for aiohttp's runners."""
        app = web.Application(middlewares=[self._guard])
        prefix = f"/{self.token}" if self.token else ""
        # Every file has its own route: no path of a request is ever looked up on the disk.
        for file in sorted(STATIC.iterdir()):
            app.router.add_get(f"{prefix}/{'' if file.name == 'index.html' else file.name}", _sender(file))
        if prefix:
            app.router.add_get(prefix, _add_slash)
        app.router.add_get(f"{prefix}/session", self._session)
        app.router.add_post(f"{prefix}/upload/{{session}}", self._upload)
        app.router.add_get(f"{prefix}/download/{{session}}/{{name}}", self._download)
        app.on_shutdown.append(self._close)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse strangers: a wrong token, a foreign page, a foreign name for this machine (DNS rebinding)."""
        try:
            self._check(request)
            response = await handler(request)
        except web.HTTPException as refusal:
            response = web.Response(status=refusal.status, text=refusal.text)
            if isinstance(refusal, web.HTTPMove):
                response.headers["Location"] = str(refusal.location)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    def _check(self, request: web.Request) -> None:
        if self.token:
            given = request.path.split("/")[1]
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                raise web.HTTPForbidden(text="The address lacks the token: use the one that the server has printed.")
        elif not is_loopback(_name(request.host) or ""):
            raise web.HTTPForbidden(text="Only pages of this machine are answered; start the server with --host.")
        asks = request.method == "POST" or "Upgrade" in request.headers
        # Either scheme: a proxy may speak https for the server.
        if asks and request.headers.get("Origin") not in (f"http://{request.host}", f"https://{request.host}"):
            raise web.HTTPForbidden(text="Another page asked; only the server's own page may.")

    async def _session(self, request: web.Request) -> web.StreamResponse:
        limits = self.limits
        # Twice the size, so that what is a little too large is told with words.
        page = web.WebSocketResponse(heartbeat=limits.stall_seconds, max_msg_size=2 * limits.frame_bytes,
                                       compress=False, timeout=_GOODBYE_SECONDS)
        await page.prepare(request)
        if len(self.sessions) >= limits.sessions:
            await page.send_json({"type": "error", "fatal": True, "text":
                                    f"{limits.sessions} pages are connected, which is all that the server takes"})
            await _say_goodbye(page, request)
            return page
        session = Session(page, self.offers, limits, self.scratch)
        self.sessions[session.key] = session
        self._sockets.add(page)
        try:
            await session.serve()
        except Exception:
            logging.getLogger(__name__).exception("a session failed")
        finally:
            del self.sessions[session.key]
            self._sockets.discard(page)
            await _say_goodbye(page, request)
        return page

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        key = request.match_info["session"]
        session = self.sessions.get(key)
        if session is None:
            raise web.HTTPNotFound(text="This session has ended; load the page again.")
        if key in self._uploading:
            raise web.HTTPConflict(text="Another upload is under way.")
        name = Path(request.query.get("name", "video").replace("\\", "/")).name[:100] or "video"
        self._uploading.add(key)
        try:
            path = await self._receive(request, session)
        except TrackerError as error:
            raise web.HTTPUnsupportedMediaType(text=f"{name}: {error}") from error
        finally:
            self._uploading.discard(key)
        session.worker.upload, old = (name, path), session.worker.upload
        if old:
            old[1].unlink(missing_ok=True)
        return web.Response(text=json.dumps({"name": name}), content_type="application/json")

    async def _receive(self, request: web.Request, session: Session) -> Path:
        """Write the body to a file that is removed unless it is a whole video within the limit."""
        limit, read, suffix = self.limits.upload_bytes, 0, ""
        too_large = web.HTTPRequestEntityTooLarge(limit, read, text=f"At most {limit >> 20} MiB can be uploaded.")
        if (request.content_length or 0) > limit:
            raise too_large
        part = session.folder / f"{secrets.token_hex(8)}.part"
        try:
            with part.open("wb") as file:
                while chunk := await asyncio.wait_for(request.content.read(1 << 16), self.limits.stall_seconds):
                    read += len(chunk)
                    if read > limit:
                        raise too_large
                    file.write(chunk)
                    session.inbox.touch()
            with part.open("rb") as file:
                suffix = container(file.read(HEAD_BYTES))
            return part.rename(part.with_suffix(suffix))
        except asyncio.TimeoutError:
            raise web.HTTPRequestTimeout(text="The upload stalled.") from None
        finally:
            part.unlink(missing_ok=True)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        session = self.sessions.get(request.match_info["session"])
        path = session.shelf.find(request.match_info["name"]) if session else None
        if path is None or not path.is_file():
            raise web.HTTPNotFound(text="No such file; files go with the page that made them.")
        session.inbox.touch()
        return web.FileResponse(path, headers={"Content-Disposition": f'attachment; filename="{path.name}"'})

    async def _close(self, app: web.Application) -> None:
        for page in set(self._sockets):
            with suppress(asyncio.TimeoutError):
                gone = page.close(code=WSCloseCode.GOING_AWAY, message=b"the server was stopped")
                await within(_GOODBYE_SECONDS, gone)


async def _say_goodbye(page: web.WebSocketResponse, request: web.Request) -> None:
    """Close the connection, with or without an answer of the page."""
    try:
        await within(_GOODBYE_SECONDS, page.close())
    except asyncio.TimeoutError:
        if request.transport:
            request.transport.abort()


async def listen(server: Server, host: str, port: int, certificate: Path | None = None) -> tuple[web.AppRunner, str]:
    """Start answering; the runner, to be cleaned up, and the address of the page.

    Raises:
        OptionError: the port is taken, there is no such host, or the certificate cannot be read.
    """
    context = https(certificate) if certificate else None
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=_GOODBYE_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=context).start()
    except OSError as error:
        await runner.cleanup()
        raise about_address(error, host, port) from error
    port = runner.addresses[0][1]
    host = own_address(host)
    shown = f"[{host}]" if ":" in host else host
    return runner, f"http{'s' if context else ''}://{shown}:{port}/{f'{server.token}/' if server.token else ''}"


def _name(host: str) -> str | None:
    """Of a Host header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


async def _add_slash(request: web.Request) -> web.StreamResponse:
    raise web.HTTPPermanentRedirect(f"{request.path}/")


def _sender(file: Path) -> Handler:
    async def send(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(file)

    return send
