import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from datasets import got10k, synthetic
from datasets.errors import DataError
from datasets.images import read
from datasets.opencv import cv2
from datasets.synthetic import SyntheticOptions, ensure, generate
from datasets.synthetic_media import Media
from datasets.synthetic_script import Difficulty, draw_scene

TINY = SyntheticOptions(train_sequences=2, val_sequences=1, train_frames=24, val_frames=24, size=(160, 120))


def digests(root):
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*")) if path.is_file()}


def overlap(boxes, box):
    """IoU (N,) of boxes (N, 4) with one box."""
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], box[:2] + box[2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    return shared / (boxes[:, 2:].prod(axis=1) + box[2:].prod() - shared)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return ensure(tmp_path_factory.mktemp("tiny") / "set", TINY)


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    """Sequences of the default difficulty, enough of them for statistics."""
    root = tmp_path_factory.mktemp("varied") / "set"
    options = SyntheticOptions(train_sequences=0, val_sequences=14, val_frames=40, size=(200, 150))
    return got10k.load(ensure(root, options), "val")


def test_layout_is_that_of_got10k(tiny):
    train, val = got10k.load(tiny, "train"), got10k.load(tiny, "val")
    assert [len(train), len(val)] == [2, 1]
    assert all(len(sequence) == 24 for sequence in train + val)
    assert read(train[0].frames[0]).shape == (120, 160, 3)
    assert (tiny / "train/list.txt").read_text().split() == [sequence.name for sequence in train]


def test_same_seed_same_bytes_whatever_the_number_of_threads(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic.os, "cpu_count", lambda: 1)
    generate(tmp_path / "again", TINY)
    assert digests(tmp_path / "again") == digests(tiny)


def test_other_seed_other_pictures(tiny, tmp_path):
    generate(tmp_path / "other", replace(TINY, seed=1))
    name = "val/synthetic_val_000001/00000001.jpg"
    assert (tmp_path / "other" / name).read_bytes() != (tiny / name).read_bytes()


def test_targets_start_in_full_view(varied):
    assert all(got10k.cover(sequence)[0] == 8 for sequence in varied)
    assert all(sequence.visible[0] for sequence in varied)


def test_scripts_start_with_the_target_in_the_open():
    media = Media(family=lambda rng: lambda rng: np.full((8, 8, 4), 255, np.uint8),
                  surroundings=lambda rng, height, width, family: np.zeros((height, width, 3), np.uint8))
    for seed in range(80):
        scene = draw_scene(np.random.default_rng(seed), 30, (320, 240), Difficulty(), media)
        motion = scene.target.motion
        reach = np.hypot(motion.width[0], motion.height[0]) / 2
        room = np.minimum(motion.centre[0], np.array([320, 240]) - motion.centre[0])
        assert (room > 0.95 * reach).all()
        for layer in scene.before:
            distance = np.hypot(*(layer.motion.centre[0] - motion.centre[0]))
            assert distance > reach  # not over the middle of it


def test_boxes_lie_in_the_frame_and_labels_agree(varied):
    for sequence in varied:
        corners = sequence.boxes[:, :2] + sequence.boxes[:, 2:]
        assert (sequence.boxes[:, :2] >= 0).all() and (corners <= [200, 150]).all()
        np.testing.assert_array_equal(sequence.visible, got10k.cover(sequence) > 0)


def test_every_trouble_occurs(varied):
    cover = np.concatenate([got10k.cover(sequence) for sequence in varied])
    assert set(range(9)) <= set(cover.tolist())
    areas = [sequence.boxes[:, 2:].prod(axis=1) for sequence in varied]
    assert max(area.max() / area.min() for area in areas) > 2
    light = [[read(frame).mean() for frame in sequence.frames[::8]] for sequence in varied]
    assert max(max(levels) / min(levels) for levels in light) > 1.3


def test_a_box_that_stays_scores_badly(varied):
    overlaps = [overlap(sequence.boxes, sequence.boxes[0])[1:][sequence.visible[1:]] for sequence in varied]
    assert np.concatenate(overlaps).mean() < 0.25


def test_a_colour_histogram_scores_badly(varied):
    """Mean shift on the hue and saturation of the first box."""
    overlaps = []
    for sequence in varied:
        x, y, width, height = window = tuple(int(value) for value in sequence.boxes[0])
        colours = cv2.cvtColor(read(sequence.frames[0]), cv2.COLOR_BGR2HSV)[y:y + height, x:x + width]
        histogram = cv2.calcHist([colours], [0, 1], None, [24, 16], [0, 180, 0, 256])
        cv2.normalize(histogram, histogram, 0, 255, cv2.NORM_MINMAX)
        for index in range(1, len(sequence)):
            hsv = cv2.cvtColor(read(sequence.frames[index]), cv2.COLOR_BGR2HSV)
            likelihood = cv2.calcBackProject([hsv], [0, 1], histogram, [0, 180, 0, 256], 1)
            _, window = cv2.meanShift(likelihood, window, (cv2.TERM_CRITERIA_COUNT, 10, 1))
            if sequence.visible[index]:
                overlaps.append(overlap(sequence.boxes[index:index + 1], np.array(window, dtype=float))[0])
    assert np.mean(overlaps) < 0.25


def test_steps_are_small_enough_to_follow(varied):
    """The target stays within the search region (four times its size) from one frame to the next."""
    for sequence in varied:
        centres = sequence.boxes[:, :2] + sequence.boxes[:, 2:] / 2
        steps = np.hypot(*np.diff(centres, axis=0).T) / np.sqrt(sequence.boxes[:-1, 2:].prod(axis=1))
        both = sequence.visible[1:] & sequence.visible[:-1]
        assert np.percentile(steps[both], 90) < 2


def test_troubles_can_be_switched_off(tmp_path):
    easy = Difficulty(speed=0.3, distractors=0, occlusion=0, partial=0, absence=0)
    root = ensure(tmp_path / "easy", replace(TINY, train_sequences=6, difficulty=easy))
    assert all(got10k.cover(sequence).min() >= 4 for sequence in got10k.load(root, "train"))


def test_complete_set_is_left_alone(tiny, monkeypatch):
    monkeypatch.setattr(synthetic, "generate", lambda *_: pytest.fail("generated again"))
    assert ensure(tiny, TINY) == tiny


def test_interrupted_set_is_finished(tiny, tmp_path, monkeypatch):
    root = tmp_path / "set"
    write = synthetic._write_labels

    def dying(folder, shots, size):
        if "train_000002" in folder.name:
            raise KeyboardInterrupt
        write(folder, shots, size)

    monkeypatch.setattr(synthetic, "_write_labels", dying)
    with pytest.raises(KeyboardInterrupt):
        generate(root, TINY)
    assert not json.loads((root / "synthetic.json").read_text())["complete"]
    monkeypatch.setattr(synthetic, "_write_labels", write)
    first = root / "train/synthetic_train_000001/00000001.jpg"
    before = first.stat().st_mtime_ns
    ensure(root, TINY)
    assert first.stat().st_mtime_ns == before
    assert digests(root) == digests(tiny)


def test_ensure_replaces_a_set_of_other_options_and_generate_refuses(tmp_path):
    small = replace(TINY, train_sequences=1, val_sequences=0, train_frames=4)
    ensure(tmp_path / "set", small)
    with pytest.raises(DataError, match="generated set of other options"):
        generate(tmp_path / "set", replace(small, seed=5))
    ensure(tmp_path / "set", replace(small, train_frames=6))
    assert len(got10k.load(tmp_path / "set", "train")[0]) == 6


def test_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "photo.jpg").touch()
    for function in (ensure, generate):
        with pytest.raises(DataError, match="not empty and no generated set"):
            function(tmp_path, TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


@pytest.fixture
def media(tmp_path):
    """One real-looking video with a yellow disc, its masks, and a green background photograph."""
    picture = np.full((90, 120, 3), (120, 60, 0), np.uint8)
    mask = cv2.circle(np.zeros((90, 120), np.uint8), (60, 45), 25, 255, -1)
    picture[mask > 0] = (0, 220, 220)
    for path, image in (("objects/v/00000001.jpg", picture), ("masks/v/00000001.png", mask),
                        ("photos/deep/green.jpg", np.full((50, 90, 3), (0, 150, 0), np.uint8))):
        (tmp_path / path).parent.mkdir(parents=True)
        cv2.imwrite(str(tmp_path / path), image)
    return tmp_path


def test_objects_and_backgrounds_may_be_real(media, tmp_path):
    options = replace(TINY, train_sequences=1, val_sequences=0, objects=str(media / "objects"),
                      masks=str(media / "masks"), backgrounds=str(media / "photos"))
    sequence = got10k.load(ensure(tmp_path / "set", options), "train")[0]
    frame = read(sequence.frames[0]).astype(int)
    x, y, width, height = sequence.boxes[0]
    blue, green, red = frame[int(y + height / 2), int(x + width / 2)]
    assert green > 80 and red > 80 and blue < 80
    corner = frame[:8, :8].mean(axis=(0, 1))
    assert corner.argmax() == 1


def test_bad_media_are_named(media, tmp_path):
    def attempt(**folders):
        generate(tmp_path / "set", replace(TINY, **{key: str(value) for key, value in folders.items()}))

    with pytest.raises(DataError, match="need both folders: --objects"):
        attempt(objects=media / "objects")
    with pytest.raises(DataError, match="nowhere: no masks"):
        attempt(objects=media / "objects", masks=tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"00000001\.png: no image of this mask"):
        attempt(objects=media / "photos", masks=media / "masks")
    with pytest.raises(DataError, match="nowhere: folder of backgrounds not found"):
        attempt(backgrounds=tmp_path / "nowhere")
    cv2.imwrite(str(media / "masks/v/00000001.png"), np.full((9, 9), 255, np.uint8))
    with pytest.raises(DataError, match=r"mask of 9 x 9 pixels for an image of 120 x 90"):
        attempt(objects=media / "objects", masks=media / "masks")


@pytest.mark.parametrize("bad", [{"train_frames": 1}, {"val_sequences": -1}, {"seed": -1},
                                 {"size": (40, 200)}])
def test_impossible_options_are_named(bad):
    with pytest.raises(DataError, match="is too small; give"):
        SyntheticOptions(**bad)


def test_command_line(tmp_path):
    options = "--train-sequences 1 --val-sequences 1 --train-frames 3 --val-frames 3 --size 160 120"
    command = [sys.executable, "-m", "datasets.synthetic", "--out", str(tmp_path / "set"), *options.split()]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(got10k.load(tmp_path / "set", "val")) == 1
    refused = subprocess.run([*command, "--seed", "9"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ") and refused.stderr.count("\n") == 1
