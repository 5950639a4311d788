import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from datasets.errors import DataError
from eval import results
from eval.dataset import Dataset
from eval.submission import write_submission


@pytest.fixture
def hidden(sequences):
    """The sequences as a test split hands them out: with the first box only."""
    return [replace(sequence, boxes=sequence.boxes[:1], visible=sequence.visible[:1]) for sequence in sequences]


@pytest.fixture
def tracked(tmp_path, sequences):
    """Make a tracker's result folder: it stands still at a third of a pixel from the second frame on."""
    for sequence in sequences:
        boxes = np.tile(sequence.boxes[0] + 1 / 3, (len(sequence), 1))
        boxes[0] = sequence.boxes[0]
        results.write_track(tmp_path / "tracker", sequence, boxes, np.full(len(sequence), 0.25), origin=0)
    (tmp_path / "tracker" / "of_val.txt").write_text("1,2,3,4\n")
    return tmp_path / "tracker"


def dataset(benchmark="got10k", split="test"):
    return Dataset(benchmark, Path("root"), split, f"{benchmark}-{split}")


def test_got10ks_server_gets_a_folder_a_sequence_as_its_toolkit_packs_it(tracked, hidden, tmp_path):
    write_submission(tracked, dataset(), hidden, tmp_path / "new/tracker.zip")
    with zipfile.ZipFile(tmp_path / "new/tracker.zip") as archive:
        assert set(archive.namelist()) == {f"{name}/{name}_{kind}.txt" for name in ("slow", "steady", "quick")
                                           for kind in ("001", "time")}
        assert archive.read("slow/slow_001.txt").decode().splitlines()[:2] == [
            "5.000,8.000,12.000,10.000", "5.333,8.333,12.333,10.333"]
        assert archive.read("slow/slow_time.txt").decode() == "0.25000000\n" * 4
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["tracker.zip"]


def test_trackingnets_server_gets_a_file_a_sequence(tracked, hidden, tmp_path):
    write_submission(tracked, dataset("trackingnet"), hidden, tmp_path / "tracker.zip")
    with zipfile.ZipFile(tmp_path / "tracker.zip") as archive:
        assert set(archive.namelist()) == {"slow.txt", "steady.txt", "quick.txt"}


@pytest.mark.parametrize(("kind", "text"), [
    (("got10k", "val"), "split 'val'; only 'test'"), (("otb", "all"), "OTB has no server"),
])
def test_nothing_but_a_test_split_is_packed(tracked, hidden, tmp_path, kind, text):
    with pytest.raises(DataError, match=text):
        write_submission(tracked, dataset(*kind), hidden, tmp_path / "tracker.zip")


def test_val_in_the_place_of_test_is_noticed(tracked, sequences, tmp_path):
    with pytest.raises(DataError, match="slow has its truth published, so this is not GOT-10k test"):
        write_submission(tracked, dataset(), sequences, tmp_path / "tracker.zip")


def test_missing_sequences_are_named_and_nothing_is_written(tracked, hidden, tmp_path):
    (tracked / "slow.txt").unlink()
    (tracked / "quick.txt").write_text("1,2,3,4\n")
    with pytest.raises(DataError, match="2 of 3 sequences have no result: slow, quick"):
        write_submission(tracked, dataset(), hidden, tmp_path / "tracker.zip")
    assert not list(tmp_path.glob("tracker.zip*"))
