from dataclasses import replace
from pathlib import Path

import pytest

from eval.dataset import Dataset
from eval.multi_start import Options
from eval.reporting.gather import Evaluation, Result
from eval.reporting.rerun import command

ROWS = [dict(tracker="demo/fp", method="fp", checkpoint="runs/demo/fp/checkpoint.pth", device="cpu", threads=2)]
PEER = dict(tracker="nanotrack_v2", method="peer", checkpoint="onnx/backbone.onnx + onnx/head.onnx", device="cpu",
            threads=2)


def evaluation(rows=ROWS, benchmark="otb", split="all", name=None, **facts):
    dataset = Dataset(benchmark, Path("/data/set"), split, name or benchmark)
    results = tuple(map(Result, rows))
    return replace(Evaluation(Path("out"), dataset.name, dataset, (), False, None, results, ()), **facts)


def test_one_folder_of_runs_is_named_once():
    assert command(evaluation()) == \
        "python eval/run_otb.py --root /data/set --work-dir runs --device cpu --threads 2 --out out"


def test_files_from_several_places_are_named_each():
    rows = [*ROWS, {**ROWS[0], "tracker": "b", "checkpoint": "some where/else.pth"}]
    assert "--checkpoint runs/demo/fp/checkpoint.pth --checkpoint 'some where/else.pth' --" in command(evaluation(rows))


def test_peers_are_named_with_their_folder():
    assert "--work-dir runs --peers nanotrack_v2 --nanotrack onnx --" in command(evaluation([*ROWS, PEER]))
    assert "set --peers nanotrack_v2 --peers-only --nanotrack onnx --" in command(evaluation([PEER]))


@pytest.mark.parametrize("benchmark, split, options", [
    ("otb", "all", "--root /data/set --work-dir"),
    ("otb", "otb2013", "--root /data/set --subset otb2013"),
    ("got10k", "val", "--got10k /data/set --split val"),
    ("lasot", "all", "--root /data/set --split all"),
    ("uav123", "10fps", "--root /data/set --fps 10"),
    ("uav123", "20l", "--root /data/set --long"),
    ("dtb70", "all", "--root /data/set --work-dir"),
])
def test_each_benchmark_has_its_own_options(benchmark, split, options):
    assert f"run_{benchmark}.py {options} " in command(evaluation(benchmark=benchmark, split=split))


def test_the_generated_set_needs_no_folder():
    assert "run_got10k.py --split val --work-dir" in command(
        evaluation(benchmark="got10k", split="val", name="synthetic-val"))


def test_many_starts_keep_their_options():
    assert "--multi-start --start-every 9 --run-frames 8 --least-frames 7" in command(
        evaluation(starts=Options(9, 8, 7)))


def test_nothing_is_known_of_an_evaluation_without_its_dataset():
    assert command(evaluation(dataset=None)) == ""
