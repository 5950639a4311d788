"""Whatever a page does before it goes, its place is free again for the next one."""

import asyncio
import json
import os
import socket
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

import aiohttp
import numpy as np
import pytest

from tests.tracker.web.conftest import jpeg, visit, wait_until, write_video
from tracker.web.limits import Limits
from tracker.web.protocol import pack

LIMITS = replace(Limits(), sessions=2, stall_seconds=1.0)
VIDEO = "toys/target.avi"
MESSAGES = {
    "play": dict(type="play"), "pause": dict(type="pause"), "stop": dict(type="stop"),
    "open a video": dict(type="open", kind="video", name=VIDEO), "open a camera": dict(type="open", kind="device"),
    "choose": dict(type="choose", names=["matcher", "blinker"]), "select": dict(type="select", box=[20, 20, 30, 30]),
    "shown": dict(type="shown", frame=1), "nonsense": dict(type="nonsense"),
}


def places(address: str) -> int:
    """How many pages are welcome now."""
    async def count() -> int:
        async with aiohttp.ClientSession() as client:
            pages = [await client.ws_connect(address + "session", origin=address.rstrip("/")) for _ in range(4)]
            hellos = [(await page.receive_json(timeout=10))["type"] for page in pages]
            for page in pages:
                await page.close()
        return hellos.count("hello")

    return asyncio.run(count())


def free_again(address: str, server) -> None:
    wait_until(lambda: not server.sessions)
    assert places(address) == LIMITS.sessions
    wait_until(lambda: not server.sessions)
    assert not list(server.scratch.iterdir())


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
@pytest.mark.parametrize("opened", [False, True], ids=["at first", "with a video"])
def test_after_a_flood_of_messages(serve, message, opened):
    address, server = serve(LIMITS)
    last = []

    async def flood(page):
        await page.until("hello")
        if opened:
            await page.send("open", kind="video", name=VIDEO)
            await page.until("state")
        with suppress(ConnectionError):
            for _ in range(3000):
                await page.socket.send_str(json.dumps(message))
        while message["type"] != "shown" and (said := await page.next()) is not None:
            last.append(said)

    visit(address, flood)
    free_again(address, server)
    if message["type"] != "shown":
        assert last[-1]["fatal"]
        assert last[-1]["text"] in ("more messages than can be answered", "a message of unknown type")


def test_after_a_flood_of_frames(serve, sequence):
    address, server = serve(LIMITS)

    async def flood(page):
        await page.until("hello")
        await page.send("open", kind="device")
        picture = jpeg(sequence[0][0])
        for number in range(400):
            await page.push(number, picture, box=[10, 10, 50, 50] if number % 2 else None)

    visit(address, flood)
    free_again(address, server)


def handshake(address: str) -> socket.socket:
    """A connected page of which nothing is read; what the system would buffer for it is small."""
    port = urlsplit(address).port
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect(("127.0.0.1", port))
    line.sendall((f"GET /session HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {address.rstrip('/')}\r\n"
                  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
    return line


def text(**message) -> bytes:
    """A short masked text frame."""
    data, mask = json.dumps(message).encode(), os.urandom(4)
    return bytes([0x81, 0x80 | len(data)]) + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))


def test_after_a_page_that_answers_no_ping(serve):
    address, server = serve(LIMITS)
    with handshake(address):
        wait_until(lambda: server.sessions)
        free_again(address, server)


def test_after_a_page_that_stops_reading_while_it_goes_on_sending(serve, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    write_video(tmp_path / "noise/noise.avi", [noise] * 60)
    address, server = serve(LIMITS, videos=tmp_path / "noise")
    with handshake(address) as line:
        wait_until(lambda: server.sessions)
        line.sendall(text(type="open", kind="video", name="noise.avi") + text(type="play"))
        with suppress(ConnectionError):
            for number in range(100):
                line.sendall(text(type="shown", frame=number))
        free_again(address, server)


def test_after_a_page_that_breaks_off_in_the_middle_of_a_frame(serve, sequence):
    address, server = serve(LIMITS)
    with handshake(address) as line:
        wait_until(lambda: server.sessions)
        line.sendall(text(type="open", kind="device"))
        frame = pack({"frame": 0}, jpeg(sequence[0][0]))
        line.sendall(bytes([0x82, 0xFE, *len(frame).to_bytes(2, "big"), 0, 0, 0, 0]) + frame[:500])
    free_again(address, server)
