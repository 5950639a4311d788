import hashlib

import numpy as np
import pytest

from eval.reporting.gather import read_evaluation
from eval.reporting.groups import METRICS, confusions, group, name_groups


def grouped(*studies):
    evaluations = [read_evaluation(one.write()) for one in studies]
    labels = name_groups(evaluations)
    return [group(evaluation, labels) for evaluation in evaluations]


def test_seeds_of_one_method_are_one_line_with_mean_and_deviation(study):
    made = study()
    rows = [made.add(f"random-{seed}", offset=seed, method="random", seed=seed) for seed in (2, 0, 1)]
    ((line,),) = grouped(made)
    success = [row["success"] for row in rows]
    assert (line.label, [one.row["seed"] for one in line.results]) == ("random-0.3", [0, 1, 2])
    assert line.mean("success") == pytest.approx(np.mean(success))
    assert line.std("success") == pytest.approx(np.std(success, ddof=1))
    values, weights = line.per_sequence(METRICS["success"])
    assert (values @ weights / weights.sum()) == pytest.approx(np.mean(success))
    assert line.curve("success_curve").mean() == pytest.approx(np.mean(success))


def said(*studies):
    evaluations = [read_evaluation(one.write()) for one in studies]
    return confusions(evaluations, name_groups(evaluations))


def another(name):
    """The facts of another file of this name."""
    return {"sha256": hashlib.sha256(f"another {name}".encode()).hexdigest()}


@pytest.mark.parametrize("other", [dict(budget=0.2), dict(method="random"), dict(fp_flops=2e9), dict(seed=0),
                                   dict(seed=None)])
def test_trackers_that_differ_by_more_than_the_seed_stand_alone(study, other):
    made = study()
    made.add("a")
    made.add("b", **{"seed": 1, **other})
    ((*lines,),) = grouped(made)
    assert sorted(line.label for line in lines) == ["a", "b"]
    assert all(np.isnan(line.std("success")) for line in lines)


def test_full_precision_comes_first_and_peers_last(study):
    made = study()
    made.add("kcf", method="peer", budget=None, seed=None)
    made.add("own", method="something else", budget=None)
    made.add("pruned", method="pruned")
    made.add("mixbin-0.4", budget=0.4)
    made.add("fp", method="fp", budget=None)
    made.add("mixbin-0.2", budget=0.2)
    (lines,) = grouped(made)
    assert [line.label for line in lines] == ["fp", "mixbin-0.2", "mixbin-0.4", "pruned", "own", "kcf"]


def test_a_tracker_has_one_name_in_all_evaluations_and_two_trackers_have_two(study):
    first, second = study(name="a"), study(name="b")
    for made in (first, second):
        made.add("fp", method="fp")
    ((one,), (same,)) = grouped(first, second)
    assert one.label == same.label == "fp"
    second.rows[0]["checkpoint"] = "elsewhere/other/fp/checkpoint.pth"
    ((one,), (moved,)) = grouped(first, second)
    assert one.label == moved.label == "fp"
    second.rows[0] |= another("fp")
    ((one,), (other,)) = grouped(first, second)
    assert (one.label, other.label) == ("runs/fp", "other/fp")
    assert said(first, second) == []


@pytest.mark.parametrize("seed", [0, 1])
def test_a_file_that_was_replaced_is_another_tracker_and_said_to_be(study, seed):
    first, second = study(name="a"), study(name="b")
    for made in (first, second):
        made.add("m")
    path, old = first.rows[0]["checkpoint"], first.rows[0]["sha256"]
    second.rows[0] |= another("m") | {"seed": seed}
    labels = [line.label for (line,) in grouped(first, second)]
    assert labels == [f"m ({old[:6]})", f"m ({second.rows[0]['sha256'][:6]})"]
    assert said(first, second) == [
        f"{path} was replaced between the evaluations: {labels[0]}, {labels[1]} are different trackers"]


def test_a_tracker_without_a_hash_is_told_by_its_path(study):
    made = study()
    for name in "ab":
        made.add(name)["sha256"] = None
    (lines,) = grouped(made)
    assert [line.label for line in lines] == ["a", "b"]


def test_a_copy_is_no_further_seed(study):
    made = study()
    original, copy = made.add("m"), made.add("copy of m", offset=1)
    copy["sha256"] = original["sha256"]
    ((line,),) = grouped(made)
    assert [one.row["tracker"] for one in line.results] == ["m"]
    assert said(made) == ["otb: copy of m is the same file as m and shown under that name only"]


def test_what_a_seed_does_not_know_the_line_does_not_either(study):
    made = study()
    made.add("a", seed=0)
    made.add("b", seed=1)["fps"] = None
    ((line,),) = grouped(made)
    assert np.isnan(line.mean("fps"))
