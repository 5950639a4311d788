"""Means over seeds, differences over what was measured alike."""

import pytest

from eval.study.compare import groups, loss_difference, overlap_difference


def test_seeds_of_a_variant_and_budget_are_one_group(make_row):
    made = groups([make_row(seed=0), make_row(seed=1), make_row(budget=0.5), make_row("mixbin")])
    assert [(group.variant, group.budget, len(group.rows)) for group in made] == [
        ("random", 0.3, 2), ("random", 0.5, 1), ("mixbin", 0.3, 1)]


def test_losses_are_paired_over_batches_after_the_mean_over_seeds(make_row):
    random, mixbin = groups([make_row(teacher=(1.0, 3.0)), make_row(seed=1, teacher=(3.0, 5.0)),
                             make_row("mixbin", teacher=(1.5, 3.0))])
    found = loss_difference(mixbin, random, "teacher")  # -0.5 and -1
    assert found.mean == pytest.approx(-0.75)
    assert found.stderr == pytest.approx(0.25)
    assert random.losses("teacher") == [2.0, 4.0]


def test_overlaps_are_paired_over_targets(make_row):
    random, mixbin = groups([make_row(starts=(0.5, 0.7)), make_row("mixbin", starts=(0.6, 0.9))])
    found = overlap_difference(mixbin, random, ["got10k-val"])
    assert (found.mean, found.stderr, found.targets) == (pytest.approx(0.15), pytest.approx(0.05), 2)


def test_what_a_row_lacks_is_nan(make_row):
    group, = groups([make_row()])
    assert group.mean("search", "seconds") != group.mean("search", "seconds")
    assert group.mean("benchmarks", "got10k-val", "ao") == 0.6
