"""Who is answered: token, origin, names; what can be fetched; uploads within their limits."""

import asyncio
import socket
from dataclasses import replace

import aiohttp
import numpy as np
import pytest

from tests.tracker.web.conftest import Page, visit, write_video
from tracker.web.address import is_loopback
from tracker.web.limits import Limits


def fetch(address, path="", method="GET", **options):
    """Status, headers and text of one request."""
    async def go():
        async with aiohttp.ClientSession() as client, client.request(method, address + path, **options) as answer:
            return answer.status, answer.headers, await answer.text(errors="replace")

    return asyncio.run(go())


def raw(address, path, host=None):
    """The status line for a path that is sent as it is, without the tidying of a client."""
    port = int(address.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        host = host or f"127.0.0.1:{port}"
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return line.makefile("rb").readline().decode().split()[1]


def test_the_page_and_its_modules_are_served(serve):
    address, _ = serve()
    status, headers, text = fetch(address)
    assert status == 200 and "<title>b2track live</title>" in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
    status, headers, _ = fetch(address, "main.js")
    assert status == 200 and "javascript" in headers["Content-Type"]


@pytest.mark.parametrize("path", [
    "/../server.py", "/..%2fserver.py", "/%2e%2e/server.py", "//etc/passwd", "/etc/passwd", "/static/main.js",
    "/main.js/../../server.py", "/..\\server.py", "/%00", "/main.js%00", "/download/x/y", "/download/../../server.py",
    "/download/..%2f..%2f/server.py", "/toys/target.avi", "/.lock",
])
def test_no_other_path_is_answered(serve, path):
    address, _ = serve()
    assert raw(address, path) in ("404", "400")


def test_strange_names_of_this_machine_are_refused(serve):
    address, _ = serve()
    assert raw(address, "/", "localhost:1") == "200"
    assert raw(address, "/", "evil.example") == "403"  # a foreign name that was made to point here
    assert raw(address, "/", "[") in ("400", "403")


def test_a_token_is_part_of_every_address(serve):
    address, _ = serve(token="s3cret")
    root = address.removesuffix("s3cret/")
    assert address.endswith("/s3cret/")
    assert fetch(address)[0] == 200
    assert fetch(address, "main.js")[0] == 200
    for path in ("", "main.js", "session", "s3cre/", "S3CRET/", "s3cret%00/", "%73", "é/"):
        status, _, text = fetch(root, path)
        assert status == 403 and "lacks the token" in text

    async def visitor(page):
        await page.until("hello")

    visit(address, visitor, origin=root.rstrip("/"))


def test_an_address_with_its_token_but_without_the_last_slash_is_mended(serve):
    address, _ = serve(token="s3cret")
    status, headers, _ = fetch(address.rstrip("/"), allow_redirects=False)
    assert (status, headers["Location"]) == (308, "/s3cret/")
    assert "<title>" in fetch(address.rstrip("/"))[2]


def test_every_loopback_address_is_a_name_of_this_machine(serve):
    address, _ = serve()
    for host, status in (("127.0.0.2:1", "200"), ("[::1]:1", "200"), ("192.0.2.1", "403"), ("127.0.0.1.evil", "403")):
        assert raw(address, "/", host) == status


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:1", "garbage", "http://["])
def test_foreign_pages_can_neither_connect_nor_upload(serve, origin):
    address, server = serve()
    assert fetch(address, "upload/x", "POST", data=b"x", headers={"Origin": origin})[0] in (400, 403)

    async def connect():
        async with aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await client.ws_connect(address + "session", origin=origin)
            assert refusal.value.status in (400, 403)

    asyncio.run(connect())
    assert not server.sessions


def uploading(serve, content, name="clip.avi", limits=None, then=None):
    """Upload from a connected page: status and text; `then` goes on with the page."""
    address, server = serve(limits)
    answers = []

    async def visitor(page: Page):
        hello = await page.until("hello")
        async with aiohttp.ClientSession(headers={"Origin": address.rstrip("/")}) as client, client.post(
            f"{address}upload/{hello['session']}", params={"name": name}, data=content) as answer:
            answers.append((answer.status, await answer.text()))
        if then:
            await then(page)
        answers.append([path.suffix for path in server.scratch.rglob("*") if path.is_file()])

    visit(address, visitor)
    return answers


@pytest.fixture
def clip(tmp_path):
    frames = [np.full((48, 64, 3), 10 * number, np.uint8) for number in range(12)]
    return write_video(tmp_path / "clips/clip.avi", frames).read_bytes()


def test_an_uploaded_video_can_be_opened(serve, clip):
    async def then(page):
        await page.send("open", kind="upload", name="")
        source = await page.until("source")
        assert (source["name"], source["count"], source["width"]) == ("clip.avi", 12, 64)

    answer, files = uploading(serve, clip, "..\\..//clip.avi", then=then)
    assert answer == (200, '{"name": "clip.avi"}')
    assert files == [".avi"]


@pytest.mark.parametrize(("make", "status", "text"), [
    (lambda clip: b"#EXTM3U\n/etc/passwd", 415, "clip.avi: the file is no video of a known kind"),
    (lambda clip: b"", 415, "no video"),
    (lambda clip: clip + b"\0" * 200_000, 413, "At most 0 MiB"),
])
def test_uploads_that_are_refused_leave_nothing(serve, clip, make, status, text):
    answer, files = uploading(serve, make(clip), limits=replace(Limits(), upload_bytes=100_000))
    assert answer[0] == status and text in answer[1]
    assert files == []


def test_an_upload_that_does_not_tell_its_size_is_cut_at_the_limit(serve, clip):
    async def endless():
        yield clip
        for _ in range(50):
            yield b"\0" * 10_000

    answer, files = uploading(serve, endless(), limits=replace(Limits(), upload_bytes=100_000))
    assert answer[0] == 413 and files == []


def test_a_long_upload_is_told_when_it_is_opened(serve, clip):
    async def then(page):
        await page.send("open", kind="upload", name="")
        assert "clip.avi: 0 seconds long; at most 0" in (await page.until("error"))["text"]

    uploading(serve, clip, limits=replace(Limits(), seconds=0.2), then=then)


def test_uploads_need_a_session(serve, clip):
    address, _ = serve()
    headers = {"Origin": address.rstrip("/")}
    assert fetch(address, "upload/nobody", "POST", data=clip, headers=headers)[0] == 404


@pytest.mark.parametrize(("host", "expected"), [("127.0.0.1", True), ("::1", True), ("localhost", True),
                                                ("0.0.0.0", False), ("192.168.1.2", False), ("example.org", False)])
def test_what_only_this_machine_can_reach(host, expected):
    assert is_loopback(host) is expected
