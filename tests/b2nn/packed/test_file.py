"""Files of packed networks: small, whole or refused, and without code."""

from __future__ import annotations

import hashlib
import json
import os
import zlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_networks import Plain, Shared, settled
from torch import nn

from b2nn import BinaryConv2d, Recipe
from b2nn.errors import B2nnError, PackedFileError
from b2nn.packed import functions, load, pack, save
from b2nn.packed.file import from_bytes, is_packed, to_bytes


@pytest.fixture(scope="module")
def content():
    return to_bytes(pack(settled(Plain(Recipe(scale="adabin"), "rprelu", padding=1)), metadata={"name": "plain"}))


def crafted(content: bytes, change) -> bytes:
    """The file with another header and a checksum that fits it."""
    line, _, body = content.partition(b"\n")
    size = int(line.split(b" ")[3])
    header = json.loads(zlib.decompress(body[:size]))
    change(header)
    packed = zlib.compress(json.dumps(header).encode())
    hashed = b"%d\n" % len(packed) + packed + body[size:]
    return b"b2nn.packed 1 " + hashlib.sha256(hashed).hexdigest().encode() + b" " + hashed


@pytest.mark.parametrize("model", [Plain(Recipe(scale=scale), padding=1) for scale in ("adabin", "xnor")]
                         + [Shared(Recipe())])
def test_what_is_loaded_is_what_was_saved(model, tmp_path):
    packed = pack(settled(model), metadata={"classes": ["cat", "dog"]})
    save(tmp_path / "net.packed", packed)
    again = load(tmp_path / "net.packed")
    x = torch.randn(2, 3, 15, 15)
    for own, wanted in zip(again(x), packed(x), strict=True):
        assert torch.equal(own, wanted)
    assert again.metadata == {"classes": ["cat", "dog"]} and is_packed(tmp_path / "net.packed")


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_lower_precisions_are_kept(precision, tmp_path):
    calibration = [(torch.randn(1, 3, 15, 15),) for _ in range(4)]
    packed = pack(settled(Plain(Recipe(), padding=1)), fp_precision=precision, calibration=calibration)
    save(tmp_path / "net.packed", packed)
    x = torch.randn(1, 3, 15, 15)
    assert torch.equal(load(tmp_path / "net.packed")(x), packed(x))


@pytest.mark.parametrize(("precision", "share"), [("float32", 1), ("int8", 1 / 4)])
def test_size_is_the_real_weights_and_a_bit_for_each_binary_one(precision, share):
    real, recipe = nn.Conv2d(64, 128, 3), Recipe(scale="adabin")
    binary = BinaryConv2d(128, 128, 3, padding=1, bias=False, recipe=recipe)
    model = settled(nn.Sequential(real, nn.BatchNorm2d(128), nn.PReLU(128), binary, nn.BatchNorm2d(128)))
    calibration = [(torch.randn(1, 64, 8, 8),) for _ in range(4)]
    size = len(to_bytes(pack(model, fp_precision=precision, calibration=calibration)))
    others = sum(value.numel() for value in model.state_dict().values()) - real.weight.numel() - binary.weight.numel()
    assert size <= 1.02 * (4 * share * real.weight.numel() + 4 * others + binary.weight.numel() / 8)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_one_flipped_bit_is_refused(content, data):
    place = data.draw(st.integers(0, len(content) - 1))
    damaged = bytearray(content)
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(PackedFileError):
        from_bytes(bytes(damaged))


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_cut_files_are_refused(content, data):
    with pytest.raises(PackedFileError):
        from_bytes(content[:data.draw(st.integers(0, len(content) - 1))])


@pytest.mark.parametrize(("bytes_", "message"), [
    (b"", "not a packed network"), (b"PK\x03\x04 something else", "not a packed network"),
    (b"b2nn.packed 2 abc 12\n...", "version 2 of the format"), (b"b2nn.packed 1 abc 12\n...", "damaged or cut short"),
])
def test_foreign_files_are_one_clear_line(bytes_, message, tmp_path):
    (tmp_path / "file").write_bytes(bytes_)
    with pytest.raises(PackedFileError, match=message) as raised:
        load(tmp_path / "file")
    assert "\n" not in str(raised.value) and str(tmp_path / "file") in str(raised.value)


def test_a_missing_file_is_one_clear_line(tmp_path):
    with pytest.raises(PackedFileError, match="no such file"):
        load(tmp_path / "none.packed")


@pytest.mark.parametrize(("change", "message"), [
    (lambda header: header["programs"]["forward"]["steps"].insert(
        0, {"TorchStep": {"result": "x", "name": "hub.load", "args": {"tuple": ["a", "b"]}}}), "may not call"),
    (lambda header: header["programs"]["forward"]["steps"].insert(
        0, {"TorchStep": {"result": "x", "name": "method.apply_", "args": {"tuple": []}}}), "may not call"),
    (lambda header: header["programs"]["forward"]["steps"].pop(0), "not made before it"),
    (lambda header: header["tensors"][0].__setitem__(2, 10**9), "holds no packed network"),
    (lambda header: header["tensors"][0].__setitem__(1, [-1]), "holds no packed network"),
    (lambda header: header.pop("metadata"), "holds no packed network"),
    (lambda header: header["programs"]["forward"]["steps"].insert(0, {"TorchStep": {
        "result": "y", "name": "torch.add", "args": {"tuple": [1, 2]}, "kwargs": {"dict": {"out": {"tensor": 0}}}}}),
     "to write to its arguments"),
])
def test_crafted_files_run_nothing(content, change, message):
    with pytest.raises(PackedFileError, match=message):
        from_bytes(crafted(content, change))


NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from([2**15 + 1, 2**31, 2**63, 1.5, True, None, "x", [], {}]))


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_other_number_in_a_header_is_refused_or_harmless(content, data):
    """Whatever a header says, loading it and running what it loads ends in a result or in our own error."""
    def change(header):
        item, places = header, data.draw(st.integers(3, 12))
        for _ in range(places):
            keys = sorted(item) if isinstance(item, dict) else range(len(item))
            key = data.draw(st.sampled_from(list(keys)))
            if not isinstance(item[key], dict | list) or not item[key]:
                break
            item, owner = item[key], item
        else:
            item = owner
        item[key] = data.draw(NUMBERS)

    try:
        network = from_bytes(crafted(content, change))
        network(torch.randn(1, 3, 9, 9))
    except B2nnError:
        pass


@pytest.mark.parametrize(("header", "message"), [
    (b" " * (65 * 2**20), "larger than any network's"), (b"[" * 100_000, "holds no packed network")])
def test_headers_that_take_all_memory_are_refused(header, message):
    packed = zlib.compress(header)
    hashed = b"%d\n" % len(packed) + packed
    with pytest.raises(PackedFileError, match=message):
        from_bytes(b"b2nn.packed 1 " + hashlib.sha256(hashed).hexdigest().encode() + b" " + hashed)


def test_the_functions_of_files_neither_write_nor_reach_outside():
    assert not [name for name in functions.names() if name.endswith("_") and not name.startswith("operator.")]
    assert not functions.names() & {f"method.{name}" for name in (
        "data_ptr", "storage", "numpy", "apply", "as_strided", "resize", "cuda", "pin_memory", "stride")}
    assert not [name for name in functions.names() if any(part in name for part in ("file", "load", "save", "hook"))]


def test_places_that_are_no_files_are_one_clear_line(content, tmp_path):
    network = from_bytes(content)
    with pytest.raises(PackedFileError, match="cannot be read"):
        load(tmp_path)
    for path, message in ((tmp_path / "none" / "net.packed", "make the folder"), (tmp_path, "is a folder")):
        with pytest.raises(B2nnError, match=message):
            save(path, network)


def test_layers_that_no_file_can_hold_are_named(tmp_path):
    class Branching(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(B2nnError, match=r"layer '1' \(Branching\)"):
        save(tmp_path / "net.packed", pack(nn.Sequential(nn.Conv2d(3, 8, 1), Branching())))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_have_the_permissions_that_the_users_umask_gives(tmp_path, mask):
    before = os.umask(mask)
    try:
        save(tmp_path / "n.packed", pack(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 1))))
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert (tmp_path / "n.packed").stat().st_mode & 0o777 == 0o666 & ~mask
