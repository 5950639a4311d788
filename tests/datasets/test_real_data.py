"""Smoke tests on real sequences; skipped where there are none."""

import numpy as np

from datasets import coco, got10k, lasot, otb
from datasets.cached_crops import CacheOptions
from datasets.images import read
from datasets.lmdb_cache import LmdbCache, verify, write
from datasets.pairs import PairDataset


def check(sequence):
    """Frames exist and every visible box meets its image."""
    for index in (0, len(sequence) - 1):
        height, width = read(sequence.frames[index]).shape[:2]
        x, y, w, h = sequence.boxes[index]
        assert not sequence.visible[index] or (x < width and y < height and x + w > 0 and y + h > 0)


def test_got10k(real_data):
    assert len(got10k.load(real_data / "got10k", "train")) == 20
    for sequence in got10k.load(real_data / "got10k", "val"):
        check(sequence)
        assert sequence.visible.all()


def test_lasot(real_data):
    by_name = {sequence.name: sequence for sequence in lasot.load(real_data / "lasot")}
    assert len(by_name) == 6
    assert np.count_nonzero(~by_name["car-2"].visible) == 56
    for sequence in by_name.values():
        check(sequence)


def test_otb(real_data):
    sequences = otb.load(real_data / "otb")
    assert [sequence.name for sequence in sequences] == [
        "Car4", "Couple", "Crossing", "DragonBaby", "FaceOcc1", "Football1", "Jogging.1", "Jogging.2"]
    for sequence in sequences:
        check(sequence)
    assert sequences[2].boxes[0].tolist() == [204, 150, 17, 50]


def test_still_images(real_data):
    sequences = coco.load(real_data / "images/annotations.json")
    assert len(sequences) > 6000
    for sequence in sequences[::1000]:
        check(sequence)


def test_pairs_from_a_cache(real_data, tmp_path):
    write(lasot.load(real_data / "lasot", "train")[:1], tmp_path / "cache", CacheOptions(), "lasot")
    verify(tmp_path / "cache")
    pairs = PairDataset([LmdbCache(tmp_path / "cache")], 20, seed=0)
    boxes = [pair["box"] for pair in map(pairs.__getitem__, range(20)) if pair["positive"]]
    assert boxes and all(0 < box[2] - box[0] < 255 for box in boxes)
