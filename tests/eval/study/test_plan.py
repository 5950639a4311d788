"""The grid of a study: what is trained, and in which order."""

import pytest

from eval.study.plan import STUDIES, Study, Variant, cells, load_study
from tracker.config import load_config
from tracker.errors import TrackerError


def test_every_variant_is_trained_at_every_budget_and_seed():
    study = Study("", (Variant("mixbin"), Variant("random", "random", seeds=(0, 1))), budgets=(0.3, 0.5))
    assert {cell.name for cell in cells(study)} == {
        "mixbin-0.3-seed0", "mixbin-0.5-seed0",
        "random-0.3-seed0", "random-0.3-seed1", "random-0.5-seed0", "random-0.5-seed1"}


def test_methods_without_a_budget_are_trained_once():
    study = Study("", (Variant("full precision", "fp"), Variant("all binary", "bnn")))
    assert [(cell.name, cell.budget) for cell in cells(study)] == [
        ("full precision-seed0", None), ("all binary-seed0", None)]


def test_one_seed_of_everything_comes_first_and_plans_before_their_takers():
    study = Study("", (Variant("taker", plan_of="giver"), Variant("giver", seeds=(0, 1))), budgets=(0.3,), seeds=(0, 1))
    assert [cell.name for cell in cells(study)] == [
        "giver-0.3-seed0", "taker-0.3-seed0", "giver-0.3-seed1", "taker-0.3-seed1"]


@pytest.mark.parametrize("name", sorted(file.stem for file in STUDIES.glob("*.py")))
def test_the_studies_that_come_along_can_be_read(name):
    study = load_study(name)
    assert cells(study)
    for variant in study.variants:
        load_config(study.config, {**study.overrides, **study.bases[variant.base], **variant.overrides})


@pytest.mark.parametrize(("content", "message"), [
    ("title = 'x'\nvariants = []", "variants is empty"),
    ("title = 'x'\nvariants = [dict(name='a', method='magic')]", "method 'magic' is unknown"),
    ("title = 'x'\nvariants = [dict(name='a'), dict(name='a')]", "two variants"),
    ("title = 'x'\nvariants = [dict(name='a', plan_of='b')]", "plan_of 'b' is no variant"),
    ("title = 'x'\nvariants = [dict(name='a', base='b')]", "base 'b' is not one of base"),
    ("title = 'x'\nvariants = [dict(name='a', budgets=(2,))]", "budget 2 is not in"),
    ("title = 'x'\nspeed = 3\nvariants = [dict(name='a')]", "unknown field 'speed'"),
    ("variants = [dict(name='a')]", "title"),
    ("title = ", "invalid syntax"),
])
def test_what_cannot_be_used_is_named(tmp_path, content, message):
    file = tmp_path / "study.py"
    file.write_text(content)
    with pytest.raises(TrackerError, match=message) as caught:
        load_study(str(file))
    assert str(file) in str(caught.value)


def test_an_unknown_study_is_named_with_those_there_are():
    with pytest.raises(TrackerError, match=r"--config nonsense: no such study; choose .*methods"):
        load_study("nonsense")
