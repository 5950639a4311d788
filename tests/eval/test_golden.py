"""A fixed result on fixed sequences: no metric of any rule changes unnoticed.

`golden/truth` has three generated sequences of 40 frames (`datasets.synthetic`, seed 3), one leaves the frame for a
while; `golden/results/wobble` drifts, loses its target and has rows without a box. `expected.json` is written anew by
`python tests/eval/test_golden.py`, which only a change of rules calls for.
"""

import json
from pathlib import Path

import pytest

from datasets.files import write_text
from eval.ground_truth import read_truths
from eval.metrics import Scores, score
from eval.protocols import BENCHMARKS, Protocol
from eval.raw_results import find_results, read_tracks

GOLDEN = Path(__file__).parent / "golden"
RULES = {rule.name: rule for one in BENCHMARKS.values() for rule in (one.overlap, one.curves, *one.others)}
FIGURES = ("ao", "sr50", "sr75", "success", "precision", "norm_precision")


def figures(scores: Scores) -> dict[str, float | None]:
    values = {name: getattr(scores, name) for name in FIGURES}
    return {name: None if value is None else round(value, 6) for name, value in values.items()}


def scored(rule: Protocol) -> dict:
    """Figures of the stored result under one rule."""
    truths = read_truths(GOLDEN / "truth", rule.origin)
    [result] = find_results(GOLDEN / "results", [truth.name for truth in truths])
    sizes = {truth.name: truth.frame_size() for truth in truths}
    tracks, problems, _ = read_tracks(result, truths, rule.origin, sizes)
    assert not problems
    scores = score(rule, tracks)
    return {"all": figures(scores)} | {one.name: figures(one) for one in scores.sequences}


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_figures_stay(rule):
    expected = json.loads((GOLDEN / "expected.json").read_text())[rule.name]
    found = scored(rule)
    assert list(found) == list(expected)
    for name, values in found.items():
        assert values == pytest.approx(expected[name], abs=1.5e-6), name


def test_every_rule_is_expected():
    assert sorted(json.loads((GOLDEN / "expected.json").read_text())) == sorted(RULES)


if __name__ == "__main__":
    found = {name: scored(rule) for name, rule in RULES.items()}
    write_text(GOLDEN / "expected.json", json.dumps(found, indent=1) + "\n")
