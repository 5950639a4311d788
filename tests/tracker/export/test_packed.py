"""What is said before a packed file is written: how near it is to the network, and whether int8 keeps the success."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from b2nn.packed import PackedNetwork, load
from b2nn.packed.program import Conv
from b2nn.recipe import Recipe
from datasets.synthetic import SyntheticOptions, ensure
from eval.judging import success
from tests.tracker.test_packed import presets, trained
from tracker.checkpoint import save_checkpoint
from tracker.errors import TrackerError
from tracker.export import command
from tracker.export.command import export_packed
from tracker.export.packed_check import Agreement, check_packed, noise, relative_errors
from tracker.packed import pack_network


@pytest.fixture(scope="module")
def tiny():
    from tests.tracker.conftest import TINY

    return trained(TINY, Recipe(scale="adabin"), seed=0)


@pytest.fixture
def stored(tiny, tmp_path) -> Path:
    save_checkpoint(tmp_path / "checkpoint.pth", *tiny)
    return tmp_path / "checkpoint.pth"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return ensure(tmp_path_factory.mktemp("data") / "synthetic", SyntheticOptions(
        train_sequences=2, val_sequences=3, train_frames=12, val_frames=12))


@pytest.mark.parametrize("name", ["nano", "siamfc"])
def test_a_packed_network_agrees_but_for_bits_that_rounding_decides(name):
    network, checkpoint = trained(presets()[name], Recipe(), seed=5)
    found = check_packed(network, pack_network(network, checkpoint), noise(network)[:2])
    assert found.crops == len(found.differences) == 2
    assert found.bits > 100_000 > found.flipped and found.besides < 1e-5


def test_another_network_is_refused(tiny):
    network, checkpoint = tiny
    packed = pack_network(network, checkpoint)

    def bent(step):
        return replace(step, beta=step.beta + 0.01) if isinstance(step, Conv) else step

    programs = {name: replace(program, steps=tuple(map(bent, program.steps)))
                for name, program in packed.programs.items()}
    with pytest.raises(TrackerError, match="nothing is written"):
        check_packed(network, PackedNetwork(programs, packed.metadata), noise(network)[:1])


def test_the_error_of_a_lower_precision_is_that_of_its_maps(tiny):
    network, checkpoint = tiny
    errors = {precision: relative_errors(network, pack_network(network, checkpoint, precision), noise(network)[:2])
              for precision in ("float32", "bf16")}
    assert list(errors["bf16"]) == ["cls", "centerness", "box"]
    assert all(1e-4 < error < 1 for error in errors["bf16"].values())
    assert all(errors["float32"][name] < error for name, error in errors["bf16"].items())


def test_a_network_without_bits_is_not_counted_in_bits():
    (said,) = Agreement(8, 0, 0, 1e-7, (1e-7,) * 8).lines()
    assert "nothing is binary: maps differ by 1.0e-07" in said


def test_export_tells_what_it_checked(stored, tmp_path):
    doing: list[str] = []
    size, bits, maps, *rest = export_packed(stored, tmp_path / "t.packed", on_step=doing.append)
    assert doing == ["packing, and comparing with the unpacked network"]
    assert "t.packed: " in size and not rest
    assert bits.startswith("checked on 8 crops against the unpacked network: of ") and "threshold" in bits
    assert maps.startswith("maps differ by ") and "median over crops" in maps


@pytest.mark.parametrize(("named", "after", "written", "said"), [
    (None, 0.50, "int8", "int8 0.500, float32 0.500: within 1%"),
    (None, 0.496, "int8", "within 1%"),
    (None, 0.494, "float32", "int8 0.494, float32 0.500: it loses more than 1%"),
    ("int8", 0.494, "int8", "it loses more than 1%"),
])
def test_int8_is_the_default_only_if_it_keeps_the_success(stored, root, tmp_path, monkeypatch, named, after, written,
                                                          said):
    monkeypatch.setattr(command, "_PACKED_EXAMPLES", 8)
    scores = iter([0.5, after])
    lines = export_packed(stored, tmp_path / "t.packed", named, root, lambda tracker, sequences: next(scores))
    assert load(tmp_path / "t.packed").metadata["fp_precision"] == written
    assert any(said in line for line in lines)
    assert (f"so {written} is written" in lines) == (named is None)


def test_without_calibration_the_default_is_float32(stored, tmp_path):
    export_packed(stored, tmp_path / "t.packed", success=lambda *_: pytest.fail("nothing is to be judged"))
    assert load(tmp_path / "t.packed").metadata["fp_precision"] == "float32"


def test_success_is_that_of_the_trackers_boxes(root):
    from datasets import got10k

    class Told:
        """Answers with the truth of a sequence."""

        def __init__(self, boxes) -> None:
            self.boxes = iter(boxes)

        def init(self, frame, box) -> None:
            next(self.boxes)

        def update(self, frame):
            return type("Result", (), {"box": next(self.boxes)})

    sequence, *_ = got10k.load(root, "val")
    away = sequence.boxes + torch.tensor([1e4, 0, 0, 0]).numpy()
    away[0] = sequence.boxes[0]
    assert success(Told(sequence.boxes), [sequence]) > 0.9 > 0.2 > success(Told(away), [sequence])
