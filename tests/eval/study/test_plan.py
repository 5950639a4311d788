"""The grid of a study: what is trained, and in which order."""

from eval.study.plan import Study, Variant, cells


def test_every_variant_is_trained_at_every_budget_and_seed():
    study = Study("", (Variant("mixbin"), Variant("random", "random", seeds=(0, 1))), budgets=(0.3, 0.5))
    assert {cell.name for cell in cells(study)} == {
        "mixbin-0.3-seed0", "mixbin-0.5-seed0",
        "random-0.3-seed0", "random-0.3-seed1", "random-0.5-seed0", "random-0.5-seed1"}


def test_methods_without_a_budget_are_trained_once_and_full_precision_with_one_seed():
    study = Study("", (Variant("full precision", "fp"), Variant("all binary", "bnn")), seeds=(0, 1))
    assert [(cell.name, cell.budget) for cell in cells(study)] == [
        ("full precision-seed0", None), ("all binary-seed0", None), ("all binary-seed1", None)]


def test_one_seed_of_everything_comes_first_and_plans_before_their_takers():
    study = Study("", (Variant("taker", plan_of="giver"), Variant("giver", seeds=(0, 1))), budgets=(0.3,), seeds=(0, 1))
    assert [cell.name for cell in cells(study)] == [
        "giver-0.3-seed0", "taker-0.3-seed0", "giver-0.3-seed1", "taker-0.3-seed1"]


def test_a_variant_is_no_rival_of_itself():
    study = Study("", (Variant("mixbin"), Variant("random", "random"), Variant("own", rival="mixbin")), rival="random")
    assert [study.rival_of(variant) for variant in study.variants] == ["random", None, "mixbin"]
