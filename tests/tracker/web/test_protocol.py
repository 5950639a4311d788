"""Messages: what is read, and that whatever else comes is refused with one line."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.errors import DataError
from tests.tracker.web.conftest import jpeg
from tracker.errors import TrackerError
from tracker.web import protocol
from tracker.web.protocol import ProtocolError

NUMBERS = st.floats(-9e5, 9e5) | st.integers(-10**5, 10**5)
BOXES = st.lists(NUMBERS, min_size=4, max_size=4)
JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner), max_leaves=8)


@given(BOXES)
def test_a_box_arrives_as_it_was_sent(box):
    assert np.array_equal(protocol.parse(json.dumps({"type": "select", "box": box})).box, box)


@given(st.integers(0, 2**53 - 1), st.none() | BOXES, st.binary(max_size=50))
def test_a_frame_arrives_as_it_was_sent(number, box, data):
    frame = protocol.parse_frame(protocol.pack({"frame": number, "box": box}, data))
    assert (frame.number, frame.jpeg) == (number, data)
    assert (frame.box is None) if box is None else np.array_equal(frame.box, box)


@given(st.binary(max_size=60))
def test_bytes_are_a_frame_or_refused(data):
    try:
        assert protocol.parse_frame(data).number >= 0
    except ProtocolError as error:
        assert "\n" not in str(error)


@given(JSON, st.sampled_from(["open", "choose", "select", "shown", "play", "nothing", 3]))
def test_json_is_a_message_or_refused(value, kind):
    fields = value if isinstance(value, dict) else {"box": value, "name": value}
    try:
        protocol.parse(json.dumps(fields | {"type": kind}))
    except ProtocolError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("text", [
    "", "hello", "[]", "3", "null", "[" * 3000, '{"type": "select", "box": [1, 2, NaN, 4]}',
    '{"type": "select", "box": [1, 2, Infinity, 4]}', '{"type": "select", "box": [1, 2, 1e999, 4]}',
    '{"type": "select", "box": [1, 2, 3]}', '{"type": "select", "box": [1, 2, 3, true]}',
    '{"type": "select", "box": [[1, 2, 3, 4]]}', json.dumps({"type": "select", "box": [[1, 2, 3, 4]] * 10_000}),
    '{"type": "select"}', '{"type": "play", "more": 1}', '{"type": []}', '{"type": "open", "kind": "file"}',
    '{"type": "open", "kind": "video", "name": 3}', '{"type": "open", "kind": "video", "name": "a\\u0000b"}',
    '{"type": "choose", "names": []}', '{"type": "choose", "names": ["a", "b", "c"]}',
    '{"type": "choose", "names": [{}]}', '{"type": "shown", "frame": -1}', '{"type": "shown", "frame": true}',
])
def test_rubbish_is_refused(text):
    with pytest.raises(ProtocolError):
        protocol.parse(text)


@pytest.mark.parametrize("data", [
    b"", b"\1", struct.pack("<I", 2**32 - 1), struct.pack("<I", 100) + b"{}", struct.pack("<I", 2) + b"[]",
    protocol.pack({"frame": -1}, b""), protocol.pack({"frame": 1.5}, b""), protocol.pack({}, b""),
    protocol.pack({"frame": 0, "box": [1, 2, 3]}, b""), protocol.pack({"frame": 0, "more": "x" * 600}, b""),
])
def test_bytes_without_a_right_header_are_refused(data):
    with pytest.raises(ProtocolError):
        protocol.parse_frame(data)


def test_pictures_are_decoded_within_the_limit_only():
    data = jpeg(np.full((30, 40, 3), 90, np.uint8))
    assert protocol.decode(data, 8, 40).shape == (30, 40, 3)
    with pytest.raises(TrackerError, match="40x30; at most 39"):
        protocol.decode(data, 8, 39)


def test_a_picture_that_claims_to_be_huge_is_refused_by_its_header():
    data = bytearray(jpeg(np.zeros((16, 16, 3), np.uint8)))
    size = data.index(b"\xff\xc0") + 5
    data[size:size + 4] = struct.pack(">HH", 65_000, 65_000)
    with pytest.raises(TrackerError):
        protocol.decode(bytes(data), 8, 1920)


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8", b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
                                  jpeg(np.zeros((64, 64, 3), np.uint8))[:-40]])
def test_what_is_no_whole_jpeg_is_refused(data):
    with pytest.raises((TrackerError, DataError)):
        protocol.decode(data, 8, 1920)


def test_large_pictures_are_scaled_down_for_the_page():
    frame = np.zeros((300, 400, 3), np.uint8)
    assert protocol.decode(protocol.encode(frame, 200), 8, 1920).shape == (150, 200, 3)
    assert protocol.decode(protocol.encode(frame, 400), 8, 1920).shape == (300, 400, 3)
