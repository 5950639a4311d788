"""Tracking through files: what is written, under which name, and what happens when the source ends early."""

import csv
import os
import signal
import threading
from dataclasses import replace

import numpy as np
import pytest

from datasets.errors import DataError
from datasets.opencv import cv2
from tracker.errors import TrackerError
from tracker.recording import COLUMNS
from tracker.track import Result
from tracker.video import DEFAULT_FPS, open_source, track_video

BOX = np.array([5.0, 8.0, 12.0, 10.0])


class Walker:
    """Knows that objects walk two pixels a frame, and loses them in the fourth."""

    def init(self, frame, boxes):
        self.boxes, self.frames = [], 0
        for number, box in enumerate(boxes):
            self.select(frame, number, box)

    def select(self, frame, number, box):
        if box[0] >= frame.shape[1]:
            raise TrackerError("outside")
        self.boxes[number:number + 1] = [box]

    def update(self, frame):
        self.frames += 1
        self.boxes = [box + np.array([2, 0, 0, 0]) for box in self.boxes]
        return [Result(box, 0.25 if self.frames == 4 else 0.75, self.frames == 4) for box in self.boxes]


def frame(number, size=(48, 96)):
    """Grey frame whose brightness tells its number."""
    return np.full((*size, 3), 20 + 10 * (number % 20), np.uint8)


@pytest.fixture
def make_video(tmp_path):
    def make(name="in.avi", frames=6, fps=12.5, size=(48, 96)):
        path = tmp_path / name
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, size[::-1])
        for number in range(frames):
            writer.write(frame(number, size))
        writer.release()
        return path

    return make


def read_video(path):
    capture = cv2.VideoCapture(str(path))
    fps, frames = capture.get(cv2.CAP_PROP_FPS), []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return frames, fps


def read_table(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".mov"])
def test_video_has_every_frame_at_the_sources_rate(make_video, tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    assert track_video(Walker(), open_source(str(make_video())), [BOX], out) == 6
    frames, fps = read_video(out)
    assert (len(frames), frames[0].shape) == (6, (48, 96, 3))
    assert fps == pytest.approx(12.5)
    assert [int(image[40, 90].mean()) for image in frames] == pytest.approx([20, 30, 40, 50, 60, 70], abs=6)


def test_odd_frame_sizes_lose_a_row_and_a_column_of_the_video(tmp_path):
    # The encoder takes even sizes only; the boxes are those of the whole frame.
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), frame(number, (49, 97)))
    out = tmp_path / "out.mp4"
    track_video(Walker(), open_source(str(tmp_path)), [BOX], out)
    assert [image.shape for image in read_video(out)[0]] == [(48, 96, 3)] * 2


def test_table_has_a_row_a_frame_the_first_included(make_video, tmp_path):
    table = tmp_path / "boxes.csv"
    track_video(Walker(), open_source(str(make_video())), [BOX], table=table)
    assert table.read_text().splitlines()[0] == "frame,x,y,w,h,score,lost,ms,object"
    rows = read_table(table)
    assert tuple(rows[0]) == COLUMNS
    assert [int(row["frame"]) for row in rows] == list(range(6))
    assert [float(row["x"]) for row in rows] == [5, 7, 9, 11, 13, 15]
    assert [row["lost"] for row in rows] == ["0", "0", "0", "0", "1", "0"]
    assert [float(row["score"]) for row in rows] == [1, 0.75, 0.75, 0.75, 0.25, 0.75]
    assert all(float(row["ms"]) >= 0 for row in rows)


def test_folders_of_images_are_read_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f"{number}.png"), frame(number))
    source = open_source(str(tmp_path))
    assert (source.count, source.fps, source.live) == (3, DEFAULT_FPS, False)
    assert [int(image[0, 0, 0]) for image in (source.first, *source.rest)] == [30, 40, 120]


def test_images_of_several_sizes_make_one_video(tmp_path):
    for number, size in enumerate([(48, 96), (24, 48), (60, 60)]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), frame(number, size))
    out = tmp_path / "out.mp4"
    track_video(Walker(), open_source(str(tmp_path)), [BOX], out)
    assert [image.shape for image in read_video(out)[0]] == [(48, 96, 3)] * 3


@pytest.mark.parametrize("content", [None, b"", b"no video at all"])
def test_what_cannot_be_opened_is_named(tmp_path, content):
    path = tmp_path / "in.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TrackerError, match=r"--source .*in\.mp4"):
        open_source(str(path))


def test_a_digit_that_is_no_number_is_a_name(tmp_path):
    with pytest.raises(TrackerError, match="--source ²: no such file or folder"):
        open_source("²")
    for name in ("²1.png", "²10.png", "²2.png"):
        cv2.imwrite(str(tmp_path / name), frame(1))
    assert open_source(str(tmp_path)).count == 3


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="no JPEG or PNG"):
        open_source(str(tmp_path))


def test_a_cut_video_leaves_only_partial_files_and_says_how_much_was_read(make_video, tmp_path, capsys):
    path = make_video(frames=30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    out, table = tmp_path / "out.mp4", tmp_path / "out.csv"
    out.write_text("an earlier result")
    with pytest.raises(TrackerError, match=r"only \d+ of its 30 frames"):
        track_video(Walker(), open_source(str(path)), [BOX], out, table)
    assert out.read_text() == "an earlier result"
    assert not table.exists()
    rows = read_table(tmp_path / "out.partial.csv")
    assert 0 < len(rows) < 28
    assert len(read_video(tmp_path / "out.partial.mp4")[0]) == len(rows)
    assert "out.partial.mp4" in capsys.readouterr().err


def test_a_broken_image_keeps_what_came_before_it(tmp_path):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), frame(number))
    (tmp_path / "2.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"2\.png"):
        track_video(Walker(), open_source(str(tmp_path)), [BOX], table=tmp_path / "out.csv")
    assert len(read_table(tmp_path / "out.partial.csv")) == 2


def test_a_bad_box_writes_nothing(make_video, tmp_path):
    source = open_source(str(make_video()))
    with pytest.raises(TrackerError, match="outside"):
        track_video(Walker(), source, [BOX + 500], tmp_path / "out.mp4", tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["in.avi"]


def interrupt_after(frames):
    seen = []

    def on_frame():
        seen.append(1)
        if len(seen) == frames:
            os.kill(os.getpid(), signal.SIGINT)

    return on_frame


def test_ctrl_c_keeps_a_playable_partial_video(make_video, tmp_path):
    out = tmp_path / "out.mp4"
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        track_video(Walker(), open_source(str(make_video())), [BOX], out, on_frame=interrupt_after(3))
    assert not out.exists()
    assert len(read_video(tmp_path / "out.partial.mp4")[0]) == 3
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_is_the_end_of_a_live_source(make_video, tmp_path):
    source = replace(open_source(str(make_video())), live=True, count=None)
    table = tmp_path / "out.csv"
    assert track_video(Walker(), source, [BOX], table=table, on_frame=interrupt_after(3)) == 3
    assert len(read_table(table)) == 3


class Script:
    """A screen on which boxes are drawn as written down, by the number of the frame, and that is closed at last."""

    def __init__(self, boxes, closed_at=99):
        self.boxes, self.closed_at, self.seen = boxes, closed_at, []

    def attend(self, frame, objects, seconds, stopped):
        number = len(self.seen)
        self.seen.append([each.result.score for each in objects])
        return self.boxes.get(number, {}), number == self.closed_at


def test_closing_the_screen_ends_like_the_end_of_the_source(make_video, tmp_path):
    table, out = tmp_path / "out.csv", tmp_path / "out.mp4"
    assert track_video(Walker(), open_source(str(make_video())), [BOX], out, table, Script({}, closed_at=1)) == 2
    assert len(read_table(table)) == len(read_video(out)[0]) == 2


def test_several_objects_have_a_row_each_in_every_frame(make_video, tmp_path):
    table = tmp_path / "out.csv"
    track_video(Walker(), open_source(str(make_video(frames=3))), [BOX, BOX + 7], table=table)
    rows = [(row["frame"], row["object"], float(row["x"])) for row in read_table(table)]
    assert rows == [("0", "1", 5), ("0", "2", 12), ("1", "1", 7), ("1", "2", 14), ("2", "1", 9), ("2", "2", 16)]


def test_what_is_drawn_on_a_frame_counts_from_that_frame(make_video, tmp_path):
    table = tmp_path / "out.csv"
    script = Script({1: {0: BOX + 30}, 2: {1: BOX}})
    track_video(Walker(), open_source(str(make_video(frames=4))), [BOX], table=table, screen=script)
    rows = [(int(row["frame"]), int(row["object"]), float(row["x"]), float(row["score"])) for row in read_table(table)]
    assert rows == [(0, 1, 5, 1), (1, 1, 35, 1), (2, 1, 37, 0.75), (2, 2, 5, 1), (3, 1, 39, 0.75), (3, 2, 7, 0.75)]
    assert script.seen == [[1], [0.75], [0.75], [0.75, 0.75]]


def test_it_runs_outside_the_main_thread(make_video):
    frames = []
    source = open_source(str(make_video()))
    thread = threading.Thread(target=lambda: frames.append(track_video(Walker(), source, [BOX])))
    thread.start()
    thread.join(30)
    assert frames == [6]
