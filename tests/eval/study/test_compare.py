"""Finished trainings by variant and budget, and whom each is compared with."""

import pytest

from eval.study.compare import full_precision_of, groups, knows_the_draws, loss_difference, overlap_difference
from eval.study.plan import Variant
from tests.eval.study.conftest import FP, MIXBIN


def test_seeds_of_a_variant_and_budget_are_one_group(make_row):
    made = groups([make_row(seed=0), make_row(seed=1), make_row(budget=0.5), make_row(MIXBIN)])
    assert [(group.name, group.budget, len(group.rows)) for group in made] == [
        ("random", 0.3, 2), ("random", 0.5, 1), ("mixbin", 0.3, 1)]


def test_losses_and_overlaps_are_by_seed_and_sequence(make_row):
    random, mixbin = groups([make_row(teacher=(1.0, 3.0)), make_row(seed=1, teacher=(3.0, 5.0)),
                             make_row(MIXBIN, teacher=(1.5, 3.0), starts=(0.6, 0.9))])
    assert random.losses("teacher").tolist() == [[1.0, 3.0], [3.0, 5.0]]
    assert loss_difference(mixbin, random, "teacher").mean == pytest.approx(-0.75)
    assert overlap_difference(mixbin, random, ["got10k-val"]).mean == pytest.approx(0.15)


def test_each_is_compared_with_the_full_precision_tracker_of_its_own_base(make_row):
    relu, prelu = Variant("fp relu", "fp", base="relu"), Variant("fp prelu", "fp", base="prelu")
    made = groups([make_row(relu), make_row(prelu), make_row(Variant("a", base="prelu")),
                   make_row(Variant("b", base="prelu", widths=(0.5, 0.75)))])
    assert full_precision_of(made[2], made).name == "fp prelu"
    assert full_precision_of(made[3], made) is None


def test_luck_is_known_of_several_seeds_of_both(make_row):
    random, mixbin, fp = groups([make_row(), make_row(seed=1), make_row(MIXBIN), make_row(FP)])
    assert not knows_the_draws(mixbin, random)
    assert knows_the_draws(random, random)
    assert knows_the_draws(random, fp)


def test_what_a_row_lacks_is_nan(make_row):
    group, = groups([make_row()])
    assert group.mean("search", "seconds") != group.mean("search", "seconds")
    assert group.mean("benchmarks", "got10k-val", "ao") == 0.6
