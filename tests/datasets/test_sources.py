import json
import shutil

import numpy as np
import pytest

from datasets import sources, synthetic
from datasets.cached_crops import CacheOptions
from datasets.errors import DataError
from datasets.sources import make_caches, make_objects, open_training_caches, verify_caches


@pytest.fixture
def got10k_root(tmp_path, image, lines):
    for split in ("train", "val"):
        for name in ("a", "b"):
            for index in (1, 2):
                image(tmp_path / "GOT-10k" / split / name / f"{index:08d}.jpg")
            lines(tmp_path / "GOT-10k" / split / name / "groundtruth.txt", "5,6,20,20", "7,6,20,20")
    return tmp_path / "GOT-10k"


@pytest.fixture
def images_json(tmp_path, image):
    image(tmp_path / "still/one.jpg")
    path = tmp_path / "still/annotations.json"
    path.write_text(json.dumps({
        "images": [{"id": 1, "file_name": "one.jpg", "width": 64, "height": 48}],
        "annotations": [{"id": 4, "image_id": 1, "bbox": [5, 5, 20, 20]}],
    }))
    return path


def test_builds_what_is_missing_and_says_so(tmp_path, got10k_root, images_json):
    said = []
    caches = open_training_caches(tmp_path / "caches", got10k=got10k_root, images=images_json,
                                  progress=lambda label, done, total: said.append(label))
    assert [cache.folder.name for cache in caches] == ["got10k-train", "images"]
    assert [cache.names for cache in caches] == [("a", "b"), ("one.4",)]
    assert set(said) == {"caching got10k-train", "caching images"}


def test_reuses_what_fits_without_writing(tmp_path, got10k_root, monkeypatch):
    open_training_caches(tmp_path / "caches", got10k=got10k_root)
    monkeypatch.setattr(sources, "write", lambda *_: pytest.fail("built again"))
    moved = shutil.move(got10k_root, tmp_path / "elsewhere")  # the same data in another folder
    assert len(open_training_caches(tmp_path / "caches", got10k=moved)) == 1


def test_refuses_a_cache_of_other_data(tmp_path, got10k_root, lines):
    open_training_caches(tmp_path / "caches", got10k=got10k_root)
    lines(got10k_root / "train/a/groundtruth.txt", "5,6,20,20", "8,6,20,20")
    with pytest.raises(DataError, match=r"got10k-train: cache with source .* delete it"):
        open_training_caches(tmp_path / "caches", got10k=got10k_root)


def test_refuses_a_cache_of_other_options(tmp_path, got10k_root):
    open_training_caches(tmp_path / "caches", got10k=got10k_root)
    with pytest.raises(DataError, match="cache with options"):
        make_caches(tmp_path / "caches", {"got10k": got10k_root}, options=CacheOptions(mode="frame"))


@pytest.fixture
def embedded(tmp_path, monkeypatch):
    """The embedded set at its default place, two frames of one sequence."""
    monkeypatch.chdir(tmp_path)
    options = synthetic.SyntheticOptions(train_sequences=1, val_sequences=0, train_frames=2, size=(64, 64))
    return synthetic.ensure(synthetic.default_root(), options)


def test_pictures_of_another_generator_are_cached_anew(embedded, monkeypatch):
    old, = open_training_caches("caches", synthetic=embedded)
    with monkeypatch.context() as patched:
        patched.setattr(sources, "write", lambda *_: pytest.fail("built again"))
        assert len(open_training_caches("caches", synthetic=embedded)) == 1
    marker = embedded / synthetic.MARKER
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"generator": "another"}))
    new, = open_training_caches("caches", synthetic=embedded)  # the boxes are the same
    assert new.source != old.source and new.names == old.names


def test_only_the_embedded_set_is_cached_anew_unasked(embedded, tmp_path):
    for folder in ("mine", "byhand"):
        make_caches(folder, {"synthetic": embedded}, options=CacheOptions(quality=50))
    other = shutil.copytree(embedded, tmp_path / "other")
    with pytest.raises(DataError, match="cache with options"):
        open_training_caches("mine", synthetic=other)
    with pytest.raises(DataError, match="cache with options"):
        make_caches("byhand", {"synthetic": embedded})


def test_split_is_part_of_the_name(tmp_path, got10k_root):
    cache, = make_caches(tmp_path / "caches", {"got10k": got10k_root}, split="val")
    assert cache.folder.name == "got10k-val"


def test_crops_and_whole_frames_train_alike(tmp_path, got10k_root):
    crop, = make_caches(tmp_path / "crops", {"got10k": got10k_root})
    frame, = make_caches(tmp_path / "frames", {"got10k": got10k_root}, options=CacheOptions(mode="frame"))
    np.testing.assert_array_equal(crop.boxes("a"), frame.boxes("a"))
    assert frame.crop("a", 0).image.shape == (48, 64, 3)


def test_verifies_all_caches_of_a_folder(tmp_path, got10k_root, monkeypatch):
    with pytest.raises(DataError, match="caches: no caches in this folder"):
        verify_caches(tmp_path / "caches")
    for split in ("train", "val"):
        make_caches(tmp_path / "caches", {"got10k": got10k_root}, split=split)
    verify_caches(tmp_path / "caches")
    (tmp_path / "caches/got10k-val/manifest.json").unlink()
    with pytest.raises(DataError, match="got10k-val: no cache here"):
        verify_caches(tmp_path / "caches")


def test_objects_are_cached_once(tmp_path, masked, monkeypatch):
    images, masks = masked({"a": [(20, 30, 40, 25), (5, 5, 6, 6)], "b": [(10, 10, 30, 30)]})
    said = []
    objects = make_objects(tmp_path / "caches", images, masks,
                           progress=lambda label, done, total: said.append(label))
    assert objects.folder.name == "objects" and objects.names == ("a", "b") and set(said) == {"caching objects"}
    assert objects.visible("a").tolist() == [True, False]
    assert objects.crop("b", 0).image.shape == (36, 36, 4)
    monkeypatch.setattr(sources, "write", lambda *_: pytest.fail("built again"))
    assert make_objects(tmp_path / "caches", images, masks).source == objects.source
    verify_caches(tmp_path / "caches")
