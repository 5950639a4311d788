"""A page without a browser: what it is told, what it may send, and what its mistakes cost."""

import asyncio
import csv
import io
import struct
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace

import aiohttp
import numpy as np
import pytest

from datasets.opencv import cv2
from eval.boxes import iou
from tests.tracker.web.conftest import CHOICES, jpeg, visit, wait_until, write_video
from tracker import opening
from tracker.errors import OptionError
from tracker.recording import COLUMNS
from tracker.video import Source
from tracker.web.limits import Limits
from tracker.web.protocol import pack
from tracker.web.recorder import Recorder
from tracker.web.run import Run

VIDEO = "toys/target.avi"


async def opened(page, name=VIDEO):
    hello = await page.until("hello")
    await page.send("open", kind="video", name=name)
    await page.until("state")
    return hello


async def tracked(page, box):
    await opened(page)
    await page.send("select", box=list(box))
    await page.until("picture", frame=2)


def test_a_page_learns_what_there_is(serve):
    address, _ = serve(cameras=["0"])

    async def visitor(page):
        hello = await page.until("hello")
        assert [one["name"] for one in hello["trackers"]][:2] == ["matcher", "blinker"]
        assert (hello["videos"], hello["cameras"]) == ([VIDEO], ["Camera 0"])
        assert hello["limits"] == {"upload_bytes": 200 * 2**20, "seconds": 600.0, "idle": "5 minutes"}

    visit(address, visitor)


def test_a_video_is_tracked_to_its_end_and_can_be_downloaded(serve, sequence, tmp_path):
    frames, boxes = sequence
    address, _ = serve()

    async def visitor(page):
        await opened(page)
        assert page.pictures[0]["lanes"] == []
        await page.send("choose", names=["matcher", "blinker"])
        await page.until("chosen")
        await page.send("select", box=list(boxes[0]))
        files = (await page.until("files"))["files"]
        assert (await page.until("state"))["ended"]
        assert [one["name"] for one in files] == ["target-matcher.mp4", "target-matcher.csv",
                                                 "target-blinker.mp4", "target-blinker.csv"]
        async with aiohttp.ClientSession() as client:
            for one in files:
                async with client.get(address + one["url"]) as answer:
                    assert answer.status == 200
                    (tmp_path / one["name"]).write_bytes(await answer.read())
        shown = {picture["frame"]: picture["lanes"] for picture in page.pictures}
        overlaps = [iou(np.array(lanes[0]["box"]), boxes[number])[0] for number, lanes in shown.items() if lanes]
        assert np.mean(overlaps) > 0.7
        assert all(lanes[1]["lost"] == (number // 10 % 3 == 2) for number, lanes in shown.items() if lanes)

    visit(address, visitor)
    rows = list(csv.DictReader((tmp_path / "target-blinker.csv").open()))
    assert tuple(rows[0]) == COLUMNS
    assert [int(row["frame"]) for row in rows] == list(range(len(frames)))
    capture = cv2.VideoCapture(str(tmp_path / "target-matcher.mp4"))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(30)
    assert sum(iter(lambda: capture.read()[0], False)) == len(frames)


def test_frames_of_the_pages_camera_are_tracked(serve, sequence):
    frames, boxes = sequence
    address, _ = serve()

    async def visitor(page):
        await page.until("hello")
        await page.send("open", kind="device")
        assert (await page.until("source"))["live"]
        overlaps = []
        for number in range(25):
            await page.push(number, jpeg(frames[number]), box=list(boxes[0]) if number == 0 else None)
            result = await page.until("result", frame=number)
            assert result["first"] == (number == 0)
            overlaps.append(iou(np.array(result["lanes"][0]["box"]), boxes[number])[0])
        assert np.mean(overlaps) > 0.7
        await page.send("stop")
        files = await page.until("files")
        async with aiohttp.ClientSession() as client, client.get(address + files["files"][1]["url"]) as answer:
            assert len(list(csv.reader(io.StringIO(await answer.text())))) == 26

    visit(address, visitor)


def test_a_box_can_be_drawn_again_on_the_frame_that_is_held(serve, sequence):
    address, _ = serve()

    async def visitor(page):
        await tracked(page, sequence[1][0])
        await page.send("pause")
        await page.until("state", playing=False)
        held = page.pictures[-1]
        await page.send("select", box=list(sequence[1][held["frame"]]))
        again = await page.until("picture", frame=held["frame"])
        assert again["lanes"][0]["score"] == 1.0
        assert (await page.until("state"))["tracking"]
        await page.until("picture", frame=held["frame"] + 2)

    visit(address, visitor)


def test_a_camera_of_the_server_gives_its_newest_frame(serve, sequence, monkeypatch):
    frames, boxes = sequence

    def camera():
        while True:
            time.sleep(0.01)
            yield frames[0]

    monkeypatch.setattr(opening, "open_source", lambda name: Source(name, frames[0], camera(), None, 30.0, True))
    address, _ = serve(cameras=["0"])

    async def visitor(page):
        await page.until("hello")
        await page.send("open", kind="camera", name="0")  # its number is none of its names
        assert "no such camera" in (await page.until("error"))["text"]
        await page.until("state")
        await page.send("open", kind="camera", name="Camera 0")
        assert (await page.until("source"))["live"]
        await page.send("select", box=list(boxes[0]))
        await page.until("picture", frame=5)
        await page.send("stop")
        assert len((await page.until("files"))["files"]) == 2

    visit(address, visitor)


def test_a_stream_that_turns_too_large_ends_and_keeps_what_was_tracked(serve, sequence, monkeypatch):
    frames, boxes = sequence
    stream = Source("cam", frames[0], iter([frames[1], cv2.resize(frames[2], None, fx=4, fy=4)]), None, 30.0, False)
    monkeypatch.setattr(opening, "open_source", lambda name: stream)
    address, _ = serve(replace(Limits(), video_side=400), cameras=["rtsp://camera"])

    async def visitor(page):
        await page.until("hello")
        await page.send("open", kind="camera", name="Camera at camera")
        await page.until("state")
        await page.send("select", box=list(boxes[0]))
        assert len((await page.until("files"))["files"]) == 2
        assert "frames of 1280x960; at most 400" in (await page.until("error"))["text"]
        assert (await page.until("state"))["ended"]

    visit(address, visitor)


def test_a_recording_that_is_full_is_told_and_tracking_goes_on(serve, sequence):
    frames, boxes = sequence
    address, _ = serve(replace(Limits(), seconds=0.5))

    async def visitor(page):
        await opened(page)
        await page.send("select", box=list(boxes[0]))
        assert (await page.until("note"))["text"] == "only the first 0.5 seconds are recorded for downloading"
        await page.until("files")
        assert max(picture["frame"] for picture in page.pictures) == len(frames) - 1

    visit(address, visitor)


def test_a_camera_that_does_not_answer_keeps_nothing_waiting(serve, monkeypatch):
    asked, answer = threading.Event(), Future()

    def slow(name):
        asked.set()
        return answer.result(20)

    monkeypatch.setattr(opening, "open_source", slow)
    secret = "rtsp://admin:secret@10.0.0.5/x"
    address, server = serve(cameras=[secret])

    async def visitor(page):
        await page.until("hello")
        camera = dict(kind="camera", name="Camera at 10.0.0.5")
        await page.send("open", **camera)
        assert (await page.until("opening"))["name"] == "Camera at 10.0.0.5"
        await asyncio.to_thread(asked.wait, 10)
        await page.send("open", kind="video", name=VIDEO)  # another choice
        assert (await page.until("source"))["name"] == VIDEO
        for _ in range(20):  # what was given up is still being opened
            await page.send("open", **camera)
            assert (await page.until("error"))["text"] == "another camera is being opened; wait"
        assert sum(thread.name == "opening" for thread in threading.enumerate()) == 1
        answer.set_exception(OptionError("--source", secret, "cannot be opened"))
        await asyncio.to_thread(wait_until, lambda: not server.offers.openings._sessions)
        await page.send("open", **camera)
        text = (await page.until("error"))["text"]
        assert text == "Camera at 10.0.0.5: it cannot be reached, or sends no picture"

    visit(address, visitor)
    wait_until(lambda: not server.sessions)


def test_nothing_is_recorded_while_trackers_are_at_work(serve, sequence, monkeypatch):
    at_work, both = threading.Event(), []
    follow, write = Run.follow, Recorder.write

    def following(self, frame):
        at_work.set()
        time.sleep(0.01)
        follow(self, frame)
        at_work.clear()

    def writing(self, *args):
        both.append(at_work.is_set())
        time.sleep(0.02)
        write(self, *args)
        both.append(at_work.is_set())

    monkeypatch.setattr(Run, "follow", following)
    monkeypatch.setattr(Recorder, "write", writing)
    address, _ = serve()

    async def visitor(page):
        await tracked(page, sequence[1][0])
        await page.until("picture", frame=8)

    visit(address, visitor)
    assert len(both) > 10 and not any(both)


def test_a_new_box_goes_on_in_the_same_recording(serve, sequence):
    frames, boxes = sequence
    address, _ = serve()

    async def visitor(page):
        await tracked(page, boxes[0])
        await page.send("pause")
        await page.until("state", playing=False)
        held = page.pictures[-1]["frame"]
        await page.send("select", box=[5, 5, 20, 20])
        files = (await page.until("files"))["files"]  # at the end of the video
        async with aiohttp.ClientSession() as client, client.get(address + files[1]["url"]) as answer:
            rows = list(csv.DictReader(io.StringIO(await answer.text())))
        assert [int(row["frame"]) for row in rows] == list(range(len(frames)))
        assert [float(rows[held][side]) for side in "xywh"] == [5, 5, 20, 20]

    visit(address, visitor)


def test_the_run_names_its_trackers_and_others_begin_another_recording(serve, sequence):
    address, _ = serve()

    async def visitor(page):
        await tracked(page, sequence[1][0])
        await page.send("choose", names=["blinker", "blinker"])
        assert (await page.until("chosen"))["names"] == ["blinker", "blinker"]
        await page.send("pause")
        await page.until("state", playing=False)
        assert [lane["name"] for lane in page.pictures[-1]["lanes"]] == ["matcher"]
        await page.send("select", box=list(sequence[1][page.pictures[-1]["frame"]]))
        assert [one["name"] for one in (await page.until("files"))["files"]] == ["target-matcher.mp4",
                                                                                 "target-matcher.csv"]
        await page.until("state", tracking=True)
        assert [lane["name"] for lane in page.pictures[-1]["lanes"]] == ["blinker", "blinker (2)"]
        await page.send("stop")
        names = [one["name"] for one in (await page.until("files"))["files"]]
        assert names[::2] == ["target-blinker.mp4", "target-blinker-2.mp4", "target-matcher.mp4"]

    visit(address, visitor)


def test_a_tracker_that_does_not_load_leaves_the_one_in_use(serve):
    address, _ = serve()

    async def visitor(page):
        await page.until("hello")
        await page.send("choose", names=["nobody"])
        assert (await page.until("chosen"))["names"] == ["matcher"]
        assert "no such tracker" in (await page.until("error"))["text"]

    visit(address, visitor)


def test_frames_too_small_to_track_are_told_and_leave_nothing(serve, sequence, caplog):
    address, server = serve()

    async def visitor(page):
        await page.until("hello")
        await page.send("open", kind="device")
        await page.until("source")
        await page.push(0, jpeg(np.zeros((1, 1, 3), np.uint8)), box=[0, 0, 1, 1])
        assert "1x1; that is too small to track anything" in (await page.until("error"))["text"]
        await page.push(1, jpeg(sequence[0][0]), box=list(sequence[1][0]))
        assert (await page.until("result"))["lanes"]

    visit(address, visitor)
    wait_until(lambda: not server.sessions)
    assert not list(server.scratch.iterdir()) and not caplog.text


def test_frames_of_a_camera_that_is_not_the_source_are_left_alone(serve, sequence):
    address, _ = serve()

    async def visitor(page):
        await opened(page)
        await page.push(0, jpeg(sequence[0][0]), box=list(sequence[1][0]))
        await page.send("pause")
        assert not (await page.until("state"))["tracking"]

    visit(address, visitor)


def test_a_session_is_cleared_whatever_fails(serve, sequence, monkeypatch, caplog):
    address, server = serve()
    monkeypatch.setattr(Run, "close", lambda self: 1 / 0)

    async def visitor(page):
        await tracked(page, sequence[1][0])

    visit(address, visitor)
    wait_until(lambda: not server.sessions)
    assert not list(server.scratch.iterdir())
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(("kind", "fields", "text"), [
    ("open", dict(kind="video", name="../outside.avi"), "no such video"),
    ("open", dict(kind="upload"), "no video was uploaded"),
    ("select", dict(box=[1, 2, 30, 40]), "there is no video"),
    ("choose", dict(names=["nobody"]), "no such tracker"),
])
def test_a_mistake_is_told_and_the_session_goes_on(serve, kind, fields, text):
    address, _ = serve()

    async def visitor(page):
        await page.until("hello")
        await page.send(kind, **fields)
        error = await page.until("error")
        assert text in error["text"] and not error["fatal"]
        await page.send("open", kind="video", name=VIDEO)
        await page.until("source")

    visit(address, visitor)


def test_a_box_off_the_frame_and_half_a_jpeg_are_told(serve, sequence):
    frames, boxes = sequence
    address, _ = serve()

    async def visitor(page):
        await page.until("hello")
        await page.send("open", kind="device")
        for number, (data, box) in enumerate([(jpeg(frames[0])[:2000], None), (jpeg(frames[0]), [999.0, 9, 9, 9]),
                                              (b"", list(boxes[0])), (jpeg(np.zeros((8, 2000, 3), np.uint8)), None)]):
            await page.push(number, data, box=box)
            assert not (await page.until("error"))["fatal"]
        await page.push(9, jpeg(frames[0]), box=list(boxes[0]))
        assert (await page.until("result"))["lanes"]

    visit(address, visitor)


RUBBISH = {
    "no JSON": "hello", "NaN": '{"type": "select", "box": [NaN, 1, 2, 3]}', "text where bytes are due": "\0\1\2",
    "10 000 boxes": '{"type": "select", "box": [' + "[1,2,3,4]," * 10_000 + "[]]}",
    "no header": b"\xff\xd8\xff\xe0 jpeg", "a header too long": struct.pack("<I", 2**31) + b"{}",
    "a large frame": pack({"frame": 0}, b"\0" * (2**20 + 1)), "a huge message": b"\0" * (3 * 2**20),
    "a binary box": pack({"frame": 0, "box": [1, 2, 3, "4"]}, b""),
}


@pytest.mark.parametrize("rubbish", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_ends_only_its_own_session(serve, sequence, rubbish):
    address, server = serve(replace(Limits(), frame_bytes=2**20))
    done = asyncio.Event()

    async def vandal(page):
        await page.until("hello")
        await asyncio.sleep(0.2)
        await (page.socket.send_str if isinstance(rubbish, str) else page.socket.send_bytes)(rubbish)
        while (message := await page.next()) is not None:
            assert message["type"] == "error" and message["fatal"]
        done.set()

    async def neighbour(page):
        await tracked(page, sequence[1][0])
        await done.wait()
        last = page.pictures[-1]["frame"]
        await page.send("pause")
        await page.until("state", playing=False)
        assert page.pictures[-1]["frame"] >= last

    visit(address, vandal, neighbour)
    wait_until(lambda: not server.sessions)


def test_a_page_that_shows_nothing_gets_two_pictures_and_every_frame_is_tracked(serve, sequence):
    address, _ = serve()

    async def visitor(page):
        await opened(page)
        await page.send("select", box=list(sequence[1][0]))
        files = await page.until("files", acknowledge=False)
        # The first, its repetition with the box, and the last come in any case.
        assert len(page.pictures) <= 2 + 3
        async with aiohttp.ClientSession() as client, client.get(address + files["files"][1]["url"]) as answer:
            assert len((await answer.text()).splitlines()) == 1 + len(sequence[0])

    visit(address, visitor)


def test_frames_that_come_too_fast_are_dropped_but_not_the_one_with_the_box(serve, sequence):
    frames, boxes = sequence
    address, _ = serve()

    async def visitor(page):
        await page.until("hello")
        await page.send("open", kind="device")
        for number in range(60):
            await page.push(number, jpeg(frames[0]), box=list(boxes[0]) if number == 1 else None)
        results = [await page.until("result")]
        while results[-1]["seen"] < 59 or results[-1]["frame"] < 1:
            results.append(await page.until("result"))
        assert any(result["first"] for result in results)
        assert len(results) < 60

    visit(address, visitor)


def test_a_page_that_stops_reading_is_given_up(serve, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    write_video(tmp_path / "noise/noise.avi", [noise] * 3)
    address, server = serve(replace(Limits(), stall_seconds=0.5), videos=tmp_path / "noise")

    async def visitor(page):
        await opened(page, "noise.avi")
        with suppress(ConnectionError):
            for _ in range(400):
                await page.send("pause")
                await asyncio.sleep(0.002)
        # The page stays connected, and reads nothing.
        await asyncio.to_thread(wait_until, lambda: not server.sessions)

    visit(address, visitor)


def test_who_does_nothing_is_asked_to_leave(serve):
    address, server = serve(replace(Limits(), idle_seconds=0.3))

    async def visitor(page):
        error = await page.until("error")
        assert error == {"type": "error", "fatal": True, "text": "closed after 0.3 seconds without use; the files to "
                         "download went with the page's session"}
        assert await page.next() is None

    visit(address, visitor)
    assert not server.sessions


def test_no_more_pages_than_the_limit(serve):
    address, _ = serve(replace(Limits(), sessions=1))

    async def visitor(page):
        await page.until("hello")
        async with aiohttp.ClientSession() as client, client.ws_connect(
            address + "session", origin=address.rstrip("/")) as second:
            message = await second.receive_json()
            assert message["fatal"] and "1 pages are connected" in message["text"]

    visit(address, visitor)


def test_a_session_takes_its_files_along(serve, sequence):
    address, server = serve()

    async def visitor(page):
        await tracked(page, sequence[1][0])
        assert list(server.scratch.rglob("*.partial.csv"))

    visit(address, visitor)
    wait_until(lambda: not server.sessions)
    assert not list(server.scratch.iterdir())


def test_a_failure_of_a_tracker_ends_only_its_session(serve, sequence, monkeypatch, caplog):
    address, server = serve()
    monkeypatch.setattr(CHOICES[1].make, "update", lambda self, frame: 1 / 0)

    async def visitor(page):
        await opened(page)
        await page.send("choose", names=["blinker"])
        await page.until("chosen")
        await page.send("select", box=list(sequence[1][0]))
        error = await page.until("error")
        assert error["fatal"] and "its log" in error["text"]

    visit(address, visitor)
    assert "ZeroDivisionError" in caplog.text
    wait_until(lambda: not server.sessions)
