"""Take the picture of the page, `web.png`: the ready tracker beside a checkpoint, on a generated video.

    python docs/images/take_web.py work_dirs/study/bases/base/fp/checkpoint.pth

Needs playwright and a Chromium. The times in the picture are those of this machine, so let it be idle.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from datasets import got10k
from datasets.opencv import cv2
from datasets.synthetic import SyntheticOptions, ensure
from datasets.synthetic_script import Difficulty
from tracker.ready import READY_MODEL

SIZE, FRAMES, SHOT_AT, SEED = (640, 480), 240, 220, 4
EASY = Difficulty(speed=0.6, distractors=1, occlusion=0, partial=0, absence=0)


def video(folder: Path) -> list[float]:
    """Write the generated video; the target's box in its first frame."""
    ensure(folder / "generated", SyntheticOptions(train_sequences=0, val_sequences=1, val_frames=FRAMES, size=SIZE,
                                                  seed=SEED, difficulty=EASY))
    (sequence,) = got10k.load(folder / "generated", "val")
    (folder / "videos").mkdir()
    writer = cv2.VideoWriter(str(folder / "videos/toys.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, SIZE)
    for path in sequence.frames:
        writer.write(cv2.imread(str(path)))
    writer.release()
    return sequence.boxes[0].tolist()


def take(address: str, box: list[float]) -> None:
    """Draw the box on the page that is served there, and keep what is seen some seconds later."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.set_default_timeout(60_000)
        page.goto(address)
        page.click("text=toys.avi")
        page.wait_for_selector("#draw:enabled")
        page.check("#compare")
        page.click("#draw")
        page.wait_for_selector(".drawing")
        place = page.locator(".pane.a .overlay").bounding_box()
        zoom = place["width"] / SIZE[0]
        x, y, w, h = (zoom * side for side in box)
        page.mouse.move(place["x"] + x, place["y"] + y)
        page.mouse.down()
        page.mouse.move(place["x"] + x + w, place["y"] + y + h)
        page.mouse.up()
        while int(page.locator(".pane.a .overlay").get_attribute("data-frame") or 0) < SHOT_AT:
            page.wait_for_timeout(20)
        page.mouse.move(0, 0)
        page.screenshot(path=Path(__file__).with_name("web.png"))
        browser.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        box = video(Path(name))
        command = [sys.executable, "-m", "b2track", "serve", "--port", "0", "--videos", f"{name}/videos",
                   "--checkpoint", str(READY_MODEL), sys.argv[1]]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                take(server.stdout.readline().strip(), box)
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
