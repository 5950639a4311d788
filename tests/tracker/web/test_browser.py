"""The page in a real browser, whose camera shows a generated sequence: what is drawn is where the target is."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from datasets.opencv import cv2
from eval.boxes import iou
from tests.tracker.web.conftest import write_video

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CELLS, CELL = 7, 12  # a frame's number as black and white squares in its corner
WAIT = 30_000


def numbered(frames: list[np.ndarray]) -> list[np.ndarray]:
    """Copies that say which frame they are, so that a picture in the page can be told."""
    marked = [frame.copy() for frame in frames]
    for number, frame in enumerate(marked):
        for place in range(CELLS):
            frame[:CELL, place * CELL:(place + 1) * CELL] = 255 * (number >> place & 1)
    return marked


@pytest.fixture(scope="module")
def chromium(sequence, tmp_path_factory):
    """A browser whose camera shows the sequence over and over, at 10 frames a second."""
    camera = tmp_path_factory.mktemp("camera") / "camera.y4m"
    frames = numbered(sequence[0])
    height, width = frames[0].shape[:2]
    with camera.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420mpeg2\n".encode())
        for frame in frames:
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420).tobytes())
    with playwright.sync_playwright() as play:
        system = next(filter(None, map(shutil.which, BROWSERS)), None)
        if system is None and not Path(play.chromium.executable_path).is_file():
            pytest.skip("no Chromium; install the system's package, or run: playwright install chromium")
        browser = play.chromium.launch(executable_path=system, args=[
            "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={camera}", "--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def numbered_videos(sequence, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("numbered")
    write_video(folder / "target.avi", numbered(sequence[0]), fps=15)
    return folder


@pytest.fixture
def page(chromium, serve, numbered_videos):
    """The page, opened; nothing may have gone wrong in it at the end."""
    address, _ = serve(videos=numbered_videos)
    context = chromium.new_context(viewport={"width": 1200, "height": 800}, permissions=["camera"])
    context.set_default_timeout(WAIT)
    page = context.new_page()
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.on("requestfailed", lambda request: mistakes.append(request.url))
    page.goto(address)
    page.wait_for_selector("#videos button")
    yield page
    context.close()
    assert not mistakes


LOOK = """([cells, cell]) => {
  const pane = document.querySelector(".pane.%s");
  const picture = pane.querySelector(".picture"), overlay = pane.querySelector(".overlay");
  const pen = picture.getContext("2d"), unit = picture.width / 320;
  let number = 0;
  for (let place = 0; place < cells; place += 1)
    if (pen.getImageData((place + 0.5) * cell * unit, cell * unit / 2, 1, 1).data[0] > 127) number |= 1 << place;
  return [number, unit, (overlay.dataset.box ?? "").split(",").map(Number), overlay.dataset.lost];
}"""


def look(page, pane: str = "a") -> tuple[int, np.ndarray, str]:
    """Which frame is seen, and the box that is drawn over it, in pixels of the sequence."""
    number, unit, box, lost = page.evaluate(LOOK % pane, [CELLS, CELL])
    return number, np.array(box) / unit, lost


def until(page, condition: str) -> None:
    """Wait for an expression to hold. Playwright's own way would need `eval`, which the page forbids."""
    end = time.monotonic() + WAIT / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        time.sleep(0.03)


def until_status(page, text: str) -> None:
    until(page, f"document.querySelector('#status').textContent === '{text}'")


def draw(page, box: np.ndarray, pane: str = "a") -> None:
    """Drag a box of the sequence's pixels."""
    place = page.locator(f".pane.{pane} .overlay").bounding_box()
    zoom = place["width"] / 320
    x1, y1 = place["x"] + box[0] * zoom, place["y"] + box[1] * zoom
    page.mouse.move(x1, y1)
    page.mouse.down()
    page.mouse.move(x1 + box[2] * zoom / 2, y1 + box[3] * zoom / 2)
    page.mouse.move(x1 + box[2] * zoom, y1 + box[3] * zoom)
    page.mouse.up()


def draw_what_is_seen(page, boxes: np.ndarray) -> None:
    page.click("#draw:enabled")
    page.wait_for_selector(".drawing")
    draw(page, boxes[look(page)[0]])
    until_status(page, "tracking")


def followed(page, boxes: np.ndarray, pane: str = "a", looks: int = 25) -> tuple[float, int]:
    """Mean overlap of the drawn box with the true one over some looks, and how many frames were seen."""
    overlaps, seen = [], set()
    for _ in range(looks):
        number, box, _ = look(page, pane)
        overlaps.append(iou(box, boxes[number])[0] if len(box) == 4 else 0.0)
        seen.add(number)
        time.sleep(0.06)
    return float(np.mean(overlaps)), len(seen)


def open_camera(page) -> None:
    page.click("#device")
    page.wait_for_selector("#draw:enabled")
    until(page, "document.querySelector('.pane.a .picture').width > 300")


def test_what_the_camera_sees_is_followed(page, sequence):
    open_camera(page)
    draw_what_is_seen(page, sequence[1])
    page.wait_for_selector(".pane.a .overlay[data-box]")
    overlap, seen = followed(page, sequence[1])
    assert seen > 8
    assert overlap > 0.6
    assert page.inner_text(".pane.a .state") == "tracked"
    until(page, "parseFloat(document.querySelector('#fps').textContent) > 1")


def test_a_new_box_is_drawn_on_the_frame_that_is_held(page, sequence):
    open_camera(page)
    draw_what_is_seen(page, np.tile([10, 200, 30, 30], (len(sequence[1]), 1)))
    page.wait_for_selector(".pane.a .overlay[data-box]")
    assert followed(page, sequence[1], looks=8)[0] < 0.3
    draw_what_is_seen(page, sequence[1])
    page.wait_for_selector(".pane.a .overlay[data-box]")
    assert followed(page, sequence[1])[0] > 0.6


def test_two_trackers_side_by_side(page, sequence):
    page.check("#compare")
    page.click("text=target.avi")
    draw_what_is_seen(page, sequence[1])
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200
    left, right = (page.locator(f".pane.{name}").bounding_box() for name in "ab")
    assert left["y"] == right["y"] and left["x"] + left["width"] <= right["x"]
    page.wait_for_selector(".pane.b .overlay[data-lost=true]")
    assert page.inner_text(".pane.b .state") == "lost, searching"
    page.wait_for_selector(".pane.b .overlay[data-lost=false]")
    assert followed(page, sequence[1], looks=5)[0] > 0.6
    assert 0 <= float(page.inner_text("#overlap")) <= 1 and 0 < float(page.inner_text("#mean-overlap")) < 1
    assert page.locator("#legend li").all_inner_texts() == ["score, matcher", "score, blinker", "overlap of the two"]


def legend(page) -> list[str]:
    return page.locator("#legend li").all_inner_texts()


def test_names_are_those_of_the_run_until_the_next_box(page, sequence):
    page.click("text=target.avi")
    draw_what_is_seen(page, sequence[1])
    page.select_option("#first", "blinker")
    page.check("#compare")
    until(page, "document.querySelector('#hint').textContent.includes('counts from the next box')")
    time.sleep(0.3)
    assert page.inner_text(".pane.a strong") == "matcher" and not page.is_visible(".pane.b")
    assert legend(page) == ["score, matcher"]
    page.click("#stop")
    page.wait_for_selector("#files a")
    assert legend(page)[0] == "score, blinker"
    assert page.inner_text("#hint") == "The files are under Downloads. Draw a box to track again."


def test_a_camera_that_fails_leaves_a_clean_page_and_is_told_in_sight(chromium, serve, numbered_videos):
    address, _ = serve(videos=numbered_videos, cameras=["93"])
    page = chromium.new_page(viewport={"width": 390, "height": 700})
    page.goto(address)
    page.click("text=target.avi")
    page.wait_for_selector("#draw:enabled")
    page.evaluate("scrollTo(0, 9999)")
    page.click("text=Camera 93")
    page.wait_for_selector("#message:visible")
    place = page.locator("#message").bounding_box()
    assert 0 <= place["y"] < 100
    assert "--" not in page.inner_text("#message")
    assert page.is_visible("#empty") and page.evaluate("document.querySelector('.picture').width") == 0
    page.close()


def test_a_camera_that_is_refused_leaves_the_source_as_it_is(page, sequence):
    page.click("text=target.avi")
    draw_what_is_seen(page, sequence[1])
    page.evaluate("void (navigator.mediaDevices.getUserMedia = "
                  "() => Promise.reject(new DOMException('', 'NotAllowedError')))")
    page.click("#device")
    page.wait_for_selector("#message:visible")
    assert "not allowed" in page.inner_text("#message") and page.is_enabled("#stop")
    page.click("#stop")
    page.wait_for_selector("#files a")


def test_a_video_can_be_dropped_anywhere(page):
    kept = """(kind) => {
      const event = new DragEvent(kind, { cancelable: true, bubbles: true, dataTransfer: new DataTransfer() });
      document.querySelector("aside").dispatchEvent(event);
      return event.defaultPrevented;
    }"""
    assert page.evaluate(kept, "dragover") and page.evaluate(kept, "drop")


def test_leaving_a_box_undrawn_goes_on_where_it_went_on_before(page):
    page.click("text=target.avi")
    page.wait_for_selector("#draw:enabled")
    page.click("#play")
    until(page, "document.querySelector('#play').textContent.startsWith('Pause')")
    page.keyboard.press("b")
    page.wait_for_selector(".drawing")
    page.keyboard.press("Escape")
    until(page, "document.querySelector('#play').textContent.startsWith('Pause')")


def test_the_last_box_goes_with_its_frame(page, sequence):
    page.click("text=target.avi")
    draw_what_is_seen(page, sequence[1])
    page.click("#stop")
    page.wait_for_selector("#files a")
    assert page.locator(".pane.a .overlay[data-box]").count() == 1
    page.click("#play")
    page.wait_for_selector(".pane.a .overlay:not([data-box])")


def test_a_target_found_again_is_glided_to(page):
    boxes = page.evaluate("""async () => {
      const { Pane } = await import("./pane.js");
      const pane = new Pane(document.querySelector(".pane.a"));
      const says = (x, lost) => pane.update({ box: [x, 0, 10, 10], score: 0.5, lost, ms: 1 }, 0, false);
      const seen = [];
      says(0, true);
      says(100, false);
      seen.push(pane.drawnBox()[0]);
      await new Promise((done) => setTimeout(done, 500));
      seen.push(pane.drawnBox()[0]);
      says(200, false);
      seen.push(pane.drawnBox()[0]);
      return seen;
    }""")
    assert boxes[0] < 50 and boxes[1:] == [100, 200]


@pytest.mark.parametrize("lost", [False, True])
def test_the_box_is_painted_where_it_is(page, lost):
    painted = page.evaluate("""async (lost) => {
      const { Pane } = await import("./pane.js");
      const pane = new Pane(document.querySelector(".pane.a"));
      pane.resize(320, 240);
      pane.update({ box: [80, 60, 160, 90], score: 0.5, lost, ms: 1 }, 0, false);
      const { width, height } = pane.overlay;
      const { data } = pane.overlay.getContext("2d").getImageData(0, 0, width, height);
      const seen = [...Array(width * height).keys()].filter((place) => data[4 * place + 3] > 0);
      const xs = seen.map((place) => place % width), ys = seen.map((place) => Math.floor(place / width));
      const ends = (values) => values.reduce(([a, b], one) => [Math.min(a, one), Math.max(b, one)], [1e9, 0]);
      const full = 2 * (80 + 45) * 2 * 6.5 * (width / 320);
      const unit = width / 320;
      return [ends(xs).map((x) => x / unit), ends(ys).map((y) => y / unit), seen.length / full];
    }""", lost)
    assert np.abs(np.subtract(painted[:2], [(80, 240), (60, 150)])).max() < 3
    assert (painted[2] < 0.85) == lost  # dashed


def test_a_finished_run_can_be_downloaded_and_played(page, sequence, tmp_path):
    page.click("text=target.avi")
    draw_what_is_seen(page, sequence[1])
    until(page, "Number(document.querySelector('.pane.a .overlay').dataset.frame) > 10")
    page.click("#stop")
    page.wait_for_selector("#files a")
    for suffix in (".mp4", ".csv"):
        with page.expect_download() as download:
            page.click(f"#files a >> text=target-matcher{suffix}")
        download.value.save_as(tmp_path / f"got{suffix}")
    rows = (tmp_path / "got.csv").read_text().splitlines()[1:]
    capture = cv2.VideoCapture(str(tmp_path / "got.mp4"))
    played = sum(iter(lambda: capture.read()[0], False))
    assert played == len(rows) > 10
    # In the browser itself.
    assert page.evaluate("""async () => {
      const video = document.createElement("video");
      const link = document.querySelector("#files a[href$='.mp4']");
      video.src = URL.createObjectURL(await (await fetch(link.href)).blob());
      await new Promise((done, failed) => Object.assign(video, { oncanplaythrough: done, onerror: failed }));
      return [video.videoWidth, video.videoHeight, video.duration > 0.3];
    }""") == [320, 240, True]


def test_an_uploaded_video_is_tracked(page, sequence, numbered_videos):
    page.set_input_files("#upload", numbered_videos / "target.avi")
    page.wait_for_selector("#draw:enabled")
    draw_what_is_seen(page, sequence[1])
    page.wait_for_selector(".pane.a .overlay[data-box]")
    assert followed(page, sequence[1], looks=10)[0] > 0.6


def test_a_file_that_is_no_video_is_told(page, tmp_path):
    (tmp_path / "notes.mp4").write_text("#EXTM3U\n/etc/passwd\n")
    page.set_input_files("#upload", tmp_path / "notes.mp4")
    page.wait_for_selector("#message:visible")
    assert "notes.mp4: the file is no video of a known kind" in page.inner_text("#message")
    page.click("#dismiss")
    assert not page.is_visible("#message")


def test_everything_can_be_done_with_keys(page):
    page.locator("#videos button").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#draw:enabled")
    page.keyboard.press("b")
    page.wait_for_selector(".drawing")
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    until_status(page, "tracking")
    page.keyboard.press(" ")
    until_status(page, "paused")
    page.keyboard.press("b")
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('.drawing')")
    page.focus("#first")  # letters count in a list too
    page.keyboard.press("f")
    page.wait_for_selector("#files a")
    page.focus("#device")
    page.keyboard.press("c")
    page.wait_for_selector(".pane.b:visible")


def test_the_page_fits_a_phone_and_a_finger_draws(chromium, serve, numbered_videos, sequence):
    address, _ = serve(videos=numbered_videos)
    context = chromium.new_context(viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    context.set_default_timeout(WAIT)
    page = context.new_page()
    page.goto(address)
    page.tap("text=target.avi")
    page.wait_for_selector("#draw:enabled")
    page.tap("#draw")
    page.wait_for_selector(".drawing")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    place = page.locator(".pane.a .overlay").bounding_box()
    zoom = place["width"] / 320
    x, y, w, h = sequence[1][look(page)[0]] * zoom + [place["x"], place["y"], 0, 0]
    touch = context.new_cdp_session(page)
    for kind, points in (("touchStart", [(x, y)]), ("touchMove", [(x + w / 2, y + h / 2)]),
                         ("touchMove", [(x + w, y + h)]), ("touchEnd", [])):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]})
    page.wait_for_selector(".pane.a .overlay[data-box]")
    assert followed(page, sequence[1], looks=10)[0] > 0.6
    small = page.evaluate("""[...document.querySelectorAll("button, .button, select")]
        .filter((one) => one.offsetParent && one.offsetHeight < 36).map((one) => one.id || one.textContent)""")
    assert small == []
    context.close()


def test_the_end_of_the_server_is_told(chromium, serve, numbered_videos):
    from tests.tracker.web.conftest import CHOICES, running
    from tracker.web.server import Server

    page = chromium.new_page()
    with running(Server(CHOICES, numbered_videos)) as address:
        page.goto(address)
        page.wait_for_selector("#device")
        until_status(page, "ready")
    page.wait_for_selector("#message:visible", timeout=WAIT)
    assert re.search("connection to the server has ended", page.inner_text("#message"))
    assert page.is_visible("#again")
    page.close()
