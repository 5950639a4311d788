from pathlib import Path

import pytest

from datasets.errors import DataError
from eval.dataset import FORMATS, open_dataset
from eval.protocols import BENCHMARKS


def test_every_benchmark_can_be_read_and_has_its_rules():
    assert set(FORMATS) == set(BENCHMARKS)
    for benchmark in FORMATS:
        assert open_dataset(benchmark, Path("root")).rules is BENCHMARKS[benchmark]


@pytest.mark.parametrize(("benchmark", "split", "name"), [
    ("got10k", None, "got10k-val"), ("otb", None, "otb"), ("lasot", "all", "lasot"), ("uav123", None, "uav123-30fps"),
    ("dtb70", None, "dtb70"), ("trackingnet", "train_3", "trackingnet-train_3"),
])
def test_name_is_that_of_benchmark_and_split(benchmark, split, name):
    assert open_dataset(benchmark, Path("root"), split).name == name


@pytest.mark.parametrize("benchmark", FORMATS)
def test_every_split_is_known_to_its_reader(benchmark, tmp_path):
    """An empty folder is refused for what it lacks, not for the split."""
    for split in FORMATS[benchmark].splits:
        with pytest.raises(DataError) as refused:
            open_dataset(benchmark, tmp_path, split).sequences()
        assert str(tmp_path) in str(refused.value)


def test_unknown_benchmark_and_split_are_named():
    with pytest.raises(DataError, match="unknown benchmark 'vot'; choose one of got10k, otb, "):
        open_dataset("vot", Path("root"))
    with pytest.raises(DataError, match="DTB70 has no split 'val'; choose one of all"):
        open_dataset("dtb70", Path("root"), "val")
