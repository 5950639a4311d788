import numpy as np
import pytest

from datasets import images
from datasets.errors import DataError
from datasets.opencv import cv2


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_reads_colour_as_bgr(tmp_path, suffix):
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[..., 0] = 200  # blue
    cv2.imwrite(str(tmp_path / f"a{suffix}"), picture)
    read = images.read(tmp_path / f"a{suffix}")
    assert read.shape == (20, 30, 3) and read.dtype == np.uint8
    assert np.abs(read.astype(int) - picture).max() <= 3


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_alpha_become_bgr(tmp_path, channels):
    picture = np.full((20, 30, channels), 90, np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    assert (images.read(tmp_path / "a.png") == np.full((20, 30, 3), 90)).all()


def test_progressive_jpeg_is_whole(tmp_path, image):
    picture = cv2.imread(str(image(tmp_path / "a.png")))
    cv2.imwrite(str(tmp_path / "a.jpg"), picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert images.read(tmp_path / "a.jpg").shape == picture.shape


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_truncated_image_is_named(tmp_path, image, suffix, kept):
    path = image(tmp_path / f"half{suffix}", size=(200, 200))
    data = path.read_bytes()
    path.write_bytes(data[:int(kept * len(data))])
    with pytest.raises(DataError, match=f"half{suffix}: truncated"):
        images.read(path)


def test_end_marker_of_an_embedded_thumbnail_does_not_count(tmp_path, image):
    whole = image(tmp_path / "a.jpg", size=(200, 200)).read_bytes()
    thumbnail = image(tmp_path / "thumbnail.jpg", size=(16, 16)).read_bytes()
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    path = tmp_path / "b.jpg"
    path.write_bytes(whole[:2] + segment + whole[2:])
    assert images.read(path).shape == (200, 200, 3)
    path.write_bytes((whole[:2] + segment + whole[2:])[:-400])
    with pytest.raises(DataError, match="truncated"):
        images.read(path)


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_garbage_is_named(tmp_path, content):
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.jpg: not a readable image"):
        images.read(tmp_path / "x.jpg")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.jpg: cannot read image"):
        images.read(tmp_path / "gone.jpg")
