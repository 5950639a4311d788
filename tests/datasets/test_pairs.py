from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from datasets.errors import DataError
from datasets.lmdb_cache import CacheOptions, LmdbCache, write
from datasets.opencv import cv2
from datasets.pairs import PairDataset, PairOptions, _is_target
from datasets.paste import PasteOptions
from datasets.sequence import Sequence
from datasets.sources import make_objects
from datasets.transforms import ColourRange, ViewRange

STILL = ColourRange(brightness=0, contrast=0, saturation=0, balance=0, blur=0, motion_blur=0)


@pytest.fixture
def open_cache(tmp_path, marked):
    """Cache marked sequences with these numbers of frames; `hidden` names frames without the target."""

    def make(counts, name="cache", hidden=(), **kwargs):
        sequences = [replace(one, visible=np.array([i not in hidden for i in range(len(one))]))
                     for one in marked(counts, dataset=name, **kwargs)]
        write(sequences, tmp_path / "caches" / name, CacheOptions(), name)
        return LmdbCache(tmp_path / "caches" / name)

    return make


def bright_bounds(crop):
    """Bounds x1, y1, x2, y2 of the bright rectangle in a (3, H, W) crop."""
    grey = crop.numpy().mean(axis=0)
    ys, xs = np.nonzero(grey > (float(grey.min()) + float(grey.max())) / 2)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], dtype=float)


def equal(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


def test_shapes_and_types(open_cache):
    pair = PairDataset([open_cache({"a": 3})], 10, seed=0)[0]
    assert pair["template"].shape == (3, 127, 127) and pair["template"].dtype == torch.uint8
    assert pair["search"].shape == (3, 255, 255) and pair["search"].dtype == torch.uint8
    assert pair["box"].shape == (4,) and pair["box"].dtype == torch.float32
    assert pair["positive"].shape == () and pair["positive"].dtype == torch.float32


def test_box_surrounds_the_target_to_the_pixel(open_cache):
    options = PairOptions(negative=0, grey=0, colour=STILL)
    dataset = PairDataset([open_cache({"a": 4, "b": 4, "c": 1})], 60, seed=0, options=options)
    for index in range(len(dataset)):
        pair = dataset[index]
        assert pair["positive"] == 1
        expected = np.clip(pair["box"].numpy(), 0, 255)
        np.testing.assert_allclose(bright_bounds(pair["search"]), expected, atol=2)


def test_box_surrounds_the_target_after_all_augmentation(open_cache):
    dataset = PairDataset([open_cache({"a": 8})], 60, seed=1, options=PairOptions(negative=0))
    for index in range(len(dataset)):
        pair = dataset[index]
        expected = np.clip(pair["box"].numpy(), 0, 255)
        np.testing.assert_allclose(bright_bounds(pair["search"]), expected, atol=6)


def test_template_shows_the_target_in_its_middle(open_cache):
    options = PairOptions(grey=0, colour=STILL)
    dataset = PairDataset([open_cache({"a": 8})], 30, seed=0, options=options)
    for index in range(len(dataset)):
        x1, y1, x2, y2 = bright_bounds(dataset[index]["template"])
        assert abs(x1 + x2 - 127) / 2 <= 6 and abs(y1 + y2 - 127) / 2 <= 6
        # Square targets fill half of the template.
        assert 45 <= np.sqrt((x2 - x1) * (y2 - y1)) <= 75


def test_pair_is_a_function_of_seed_and_index(open_cache):
    cache = open_cache({"a": 5, "b": 5})
    first, again, other = (PairDataset([cache], 50, seed=seed) for seed in (3, 3, 4))
    backwards = {index: again[index] for index in reversed(range(20))}
    assert all(equal(first[index], backwards[index]) for index in range(20))
    assert not any(equal(first[index], other[index]) for index in range(20))
    assert not equal(first[0], first[1])


@pytest.mark.parametrize(("method", "workers"), [("fork", 2), ("spawn", 1)])
def test_workers_give_the_same_pairs(open_cache, objects, method, workers):
    options = PairOptions(anywhere=0.5, paste=PasteOptions(target=0.5, distractor=0.5))
    dataset = PairDataset([open_cache({"a": 5, "b": 5})], 8, seed=0, options=options, objects=objects)
    here = [dataset[index] for index in range(8)]  # opens the cache before the workers start
    loader = DataLoader(dataset, batch_size=4, num_workers=workers, multiprocessing_context=method)
    for number, batch in enumerate(loader):
        for position in range(4):
            assert equal({key: value[position] for key, value in batch.items()}, here[4 * number + position])


def test_loader_ends_after_length(open_cache):
    assert len(list(DataLoader(PairDataset([open_cache({"a": 2})], 10, seed=0), batch_size=4))) == 3
    with pytest.raises(IndexError):
        PairDataset([open_cache({"a": 2})], 10, seed=0)[10]


def test_share_of_negatives(open_cache):
    cache = open_cache({"a": 3, "b": 3})
    dataset = PairDataset([cache], 300, seed=0, options=PairOptions(negative=0.3))
    share = 1 - np.mean([float(dataset[index]["positive"]) for index in range(300)])
    assert 0.2 < share < 0.4
    negative = next(pair for pair in map(dataset.__getitem__, range(300)) if pair["positive"] == 0)
    assert negative["box"].tolist() == [0, 0, 0, 0]


def drawn(dataset, count):
    """Template and search shots of the first pairs."""
    return [dataset._draw(np.random.default_rng((dataset.seed, index))) for index in range(count)]


def test_negatives_search_other_sequences_or_absent_frames(open_cache):
    cache = open_cache({"a": 6, "b": 6}, hidden=(2, 3))
    draws = drawn(PairDataset([cache], 200, seed=0, options=PairOptions(negative=1)), 200)
    assert all(not positive for *_, positive in draws)
    assert all(search.name != template.name or search.frame in (2, 3) for template, search, _ in draws)
    assert {search.name == template.name for template, search, _ in draws} == {True, False}


def test_positive_frames_show_the_target_and_lie_within_the_gap(open_cache):
    cache = open_cache({"a": 30}, hidden=(4, 5))
    draws = drawn(PairDataset([cache], 200, seed=0, options=PairOptions(negative=0, max_gap=6)), 200)
    gaps = [abs(template.frame - search.frame) for template, search, _ in draws]
    assert max(gaps) == 6 and len(set(gaps)) == 7
    assert not {shot.frame for template, search, _ in draws for shot in (template, search)} & {4, 5}


def test_a_single_image_gives_two_views_of_itself(open_cache):
    dataset = PairDataset([open_cache({"only": 1})], 20, seed=0, options=PairOptions(negative=1))
    pairs = [dataset[index] for index in range(20)]
    assert all(pair["positive"] == 1 for pair in pairs)  # there is nothing else to search in
    assert len({tuple(pair["box"].tolist()) for pair in pairs}) == 20


def test_caches_are_drawn_by_weight_and_sequences_alike(open_cache):
    caches = [open_cache({"a": 1, "b": 9}, "first"), open_cache({"c": 1}, "second")]
    draws = drawn(PairDataset(caches, 600, seed=0, weights=[3, 1]), 600)
    names = [template.name for template, *_ in draws]
    assert names.count("c") / 600 == pytest.approx(0.25, abs=0.06)
    assert names.count("a") / 600 == pytest.approx(names.count("b") / 600, abs=0.08)


def test_target_outside_the_crop_is_no_positive(open_cache):
    limits = replace(PairOptions().search_view, shift=400)
    dataset = PairDataset([open_cache({"a": 2})], 40, seed=0,
                          options=PairOptions(negative=0, search_view=limits))
    positives = [pair for index in range(40) if (pair := dataset[index])["positive"] == 1]
    assert 0 < len(positives) < 40
    for pair in positives:
        x1, y1, x2, y2 = pair["box"].tolist()
        assert 0 <= (x1 + x2) / 2 < 255 and 0 <= (y1 + y2) / 2 < 255


@pytest.mark.parametrize(("box", "target"), [
    ((10, 10, 60, 90), True),
    ((-30, 200, 40, 300), True),    # its centre is in the crop
    ((-90, 10, 60, 90), False),
    ((10, 200, 60, 320), False),
    ((40, 40, 40, 40), False),      # so thin that nothing of it was left
])
def test_a_target_has_an_area_and_its_centre_in_the_crop(box, target):
    assert _is_target(np.array(box, dtype=float), 255) is target


def test_turned_target_is_bounded(open_cache):
    turned = replace(PairOptions().search_view, rotation=0.4)
    options = PairOptions(negative=0, grey=0, colour=STILL, search_view=turned)
    dataset = PairDataset([open_cache({"a": 8})], 40, seed=0, options=options)
    for index in range(len(dataset)):
        pair = dataset[index]
        np.testing.assert_allclose(bright_bounds(pair["search"]), np.clip(pair["box"].numpy(), 0, 255), atol=2)


def test_search_crops_anywhere_spread_the_target_over_the_crop(open_cache):
    cache = open_cache({"a": 4, "b": 4}, size=(600, 500))
    options = PairOptions(negative=0, anywhere=1, grey=0, colour=STILL, search_view=ViewRange(shift=0, scale=0))
    pairs = [pair for pair in map(PairDataset([cache], 60, seed=0, options=options).__getitem__, range(60))
             if pair["positive"] == 1]
    centres = np.array([(pair["box"][:2] + pair["box"][2:]).numpy() / 2 for pair in pairs])
    assert len(pairs) > 30 and centres.std(axis=0).min() > 45  # uniform over 255 pixels: 74; around the middle: 0
    for pair in pairs:
        np.testing.assert_allclose(bright_bounds(pair["search"]), np.clip(pair["box"].numpy(), 0, 255), atol=2)


@pytest.fixture
def objects(tmp_path, masked):
    """Cut-outs of two videos of white discs, which turned do not fill their turned boxes."""
    boxes = {"one": [(20, 30, 40, 25), (30, 20, 60, 30)], "two": [(10, 10, 30, 60), (10, 10, 44, 44)]}
    return make_objects(tmp_path / "caches", *masked(boxes, discs=True))


@pytest.fixture
def dark(tmp_path):
    """A cache of three black pictures with a black target."""
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((240, 320, 3), np.uint8))
    sequences = [Sequence(name, "dark", (tmp_path / "black.png",), np.array([[140.0, 100, 40, 40]]), np.array([True]))
                 for name in ("a", "b", "one")]
    write(sequences, tmp_path / "caches/dark", CacheOptions(), "dark")
    return LmdbCache(tmp_path / "caches/dark")


def test_pasted_pairs_show_one_object_twice_in_its_exact_box(dark, objects):
    turned = ViewRange(shift=64, scale=0.3, aspect=0.1, rotation=0.3)
    options = PairOptions(negative=1, grey=0, colour=STILL, search_view=turned,
                          paste=PasteOptions(target=1, distractor=0))
    dataset = PairDataset([dark], 60, seed=0, options=options, objects=objects)
    for index in range(60):
        pair = dataset[index]
        assert pair["positive"] == 1
        np.testing.assert_allclose(bright_bounds(pair["search"]), np.clip(pair["box"].numpy(), 0, 255), atol=2)
        x1, y1, x2, y2 = bright_bounds(pair["template"])
        assert abs(x1 + x2 - 127) / 2 <= 6 and abs(y1 + y2 - 127) / 2 <= 6


def test_distractors_are_pasted_beside_the_target(open_cache, objects):
    still = dict(negative=0, grey=0, colour=STILL)
    with_one = PairOptions(**still, paste=PasteOptions(target=0, distractor=1, hidden=0, tint=0.9))
    without = PairOptions(**still, paste=PasteOptions(target=0, distractor=0))
    cache = open_cache({"a": 4}, size=(600, 500))
    pairs, plain = (PairDataset([cache], 30, seed=0, options=options, objects=objects)
                    for options in (with_one, without))
    changed = 0
    for index in range(30):
        box = pairs[index]["box"].clamp(0, 255).round().int().tolist()
        assert torch.equal(pairs[index]["box"], plain[index]["box"])
        changes = (pairs[index]["search"].int() - plain[index]["search"].int()).abs() > 60
        changed += bool(changes.any())
        assert not changes[:, box[1] + 3:box[3] - 3, box[0] + 3:box[2] - 3].any()
    assert changed > 20


def test_an_object_is_never_pasted_where_it_may_already_be(dark, objects, monkeypatch):
    options = PairOptions(paste=PasteOptions(target=0.5, distractor=1))
    dataset = PairDataset([dark], 80, seed=0, options=options, objects=objects)
    seen = []
    crop = LmdbCache.crop
    monkeypatch.setattr(LmdbCache, "crop", lambda cache, name, index: (
        seen.append((cache.folder.name, name)), crop(cache, name, index))[1])
    for index in range(80):
        seen.clear()
        dataset[index]
        assert not {name for kind, name in seen if kind == "dark"} & {name for kind, name in seen if kind == "objects"}


def test_an_object_without_other_backgrounds_is_not_pasted(open_cache, objects):
    cache = open_cache({"one": 3})
    options = PairOptions(negative=0, paste=PasteOptions(target=1, distractor=0))
    only_one = PairDataset([cache], 40, seed=0, options=options, objects=objects)
    assert all(only_one[index]["positive"] == 1 for index in range(40))


def test_only_cut_outs_can_be_pasted(open_cache):
    cache = open_cache({"a": 2})
    with pytest.raises(DataError, match=r"cache: holds no cut-out objects \(mode crop\)"):
        PairDataset([cache], 10, seed=0, objects=cache)


@pytest.mark.parametrize("weights", [[1.0], [0, 0], [1, -1], [1, float("nan")]])
def test_bad_weights_are_named(open_cache, weights):
    caches = [open_cache({"a": 1}, "first"), open_cache({"b": 1}, "second")]
    with pytest.raises(DataError, match=r"weights .* do not fit 2 caches"):
        PairDataset(caches, 10, seed=0, weights=weights)


def test_no_caches_is_an_error():
    with pytest.raises(DataError, match="no caches"):
        PairDataset([], 10, seed=0)


def test_target_at_the_border_is_padded_with_the_mean(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((60, 60, 3), (30, 60, 90), np.uint8))
    sequence = Sequence("a", "test", (tmp_path / "a.png",), np.array([[0.0, 0, 20, 20]]), np.array([True]))
    write([sequence], tmp_path / "cache", CacheOptions(), "test")
    options = PairOptions(negative=0, grey=0, mirror=False, colour=STILL)
    pair = PairDataset([LmdbCache(tmp_path / "cache")], 1, seed=0, options=options)[0]
    assert (pair["search"].flatten(1).float().std(dim=1) < 3).all()
