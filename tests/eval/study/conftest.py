"""Rows of a study that was never run."""

import pytest

from eval.study.plan import Cell, Study, Variant
from eval.study.rows import Row


@pytest.fixture
def make_row():
    def make(name="random", budget=0.3, seed=0, teacher=(1.0, 3.0), starts=(0.5, 0.7), method="random") -> Row:
        scores = {"ao": 0.6, "sr50": 0.7, "success": 0.61, "precision": 0.8, "fps": 50.0,
                  "starts": dict(zip(("ball", "cup"), starts, strict=True))}
        facts = {
            "method": method, "ratio": 0.29, "full": ["a", "b"], "binary": 3, "iterations": {"finetune": 400},
            "seconds": {"finetune": 1800.0}, "search": {}, "device": "cpu", "threads": 1, "torch": "2.13",
            "held_out": {"task": [1.0, 1.0], "teacher": list(teacher), "features": [0.1, 0.1]},
            "benchmarks": {"got10k-val": scores},
        }
        return Row(Cell(Variant(name, method), budget, seed), facts)

    return make


@pytest.fixture
def study() -> Study:
    return Study("Ways to choose", (Variant("random", "random"), Variant("mixbin")), "What\n  matters?")
