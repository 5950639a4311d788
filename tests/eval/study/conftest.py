"""Rows of a study that was never run; configurations that are read once."""

import copy
import functools

import pytest
from mmengine.config import Config

from eval.study.plan import Cell, Study, Variant
from eval.study.rows import Row

RANDOM, MIXBIN, FP = Variant("random", "random"), Variant("mixbin"), Variant("fp", "fp")

read = functools.cache(Config.fromfile)


@pytest.fixture(autouse=True, scope="module")
def every_file_is_read_once():
    """A fingerprint reads a preset six times, each by way of temporary files: most of the time of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Config, "fromfile", lambda path: copy.deepcopy(read(path)))
        yield


@pytest.fixture
def make_row():
    """A row of a variant; losses and overlaps are of the sequences `ball` and `cup`."""
    def make(variant=RANDOM, budget=0.3, seed=0, teacher=(1.0, 3.0), starts=(0.5, 0.7), **more) -> Row:
        budget = None if variant.method in ("fp", "bnn") else budget
        scores = {"ao": 0.6, "sr50": 0.7, "success": 0.61, "precision": 0.8, "fps": 50.0,
                  "starts": dict(zip(("ball", "cup"), starts, strict=True))}
        facts = {
            "method": variant.method, "base": variant.base, "ratio": 0.29, "full": ["a", "b"], "binary": 3,
            "width": None, "iterations": {"finetune": 400}, "seconds": {"finetune": 1800.0}, "search": {},
            "full_precision_seconds": 7200.0, "hardware": "A CPU", "threads": 1, "torch": "2.13",
            "held_out": {"task": dict(ball=1.0, cup=1.0), "teacher": dict(zip(("ball", "cup"), teacher, strict=True))},
            "benchmarks": {"got10k-val": scores},
        }
        return Row(Cell(variant, budget, seed), facts | more)

    return make


@pytest.fixture
def study() -> Study:
    return Study("Ways to choose", (RANDOM, MIXBIN, FP), "What\n  matters?", rival="random")
