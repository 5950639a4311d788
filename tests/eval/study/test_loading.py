"""Study files: those that come along, and what is refused."""

import re
from itertools import product
from pathlib import Path

import pytest

from eval.study.cell import cell_config
from eval.study.loading import load_study
from eval.study.plan import STUDIES, cells
from tracker.errors import TrackerError

ROOT = Path(__file__).parents[3]
NAMES = sorted(file.stem for file in STUDIES.glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_the_studies_that_come_along_can_be_trained_and_compare_at_each_budget(name):
    study = load_study(name)
    grid = cells(study)
    there = {(cell.variant.name, budget) for cell in grid for budget in (cell.budget, None)}
    for variant in study.variants:
        cell_config(study, next(cell for cell in grid if cell.variant is variant))
    for cell in grid:
        rival = study.rival_of(cell.variant)
        free = rival and study.budgets_of(study.variant(rival)) == (None,)
        assert rival is None or free or (rival, cell.budget) in there
    if name != "transfer":
        assert any(study.rival_of(variant) for variant in study.variants)


def test_the_studies_that_come_along_are_those_that_are_told_of():
    docstring = (ROOT / "tools/study.py").read_text().split('"""')[1]
    listed = re.sub(r"\([^)]*\)", "", docstring.split("Studies by name:")[1]).strip(" .\n")
    assert sorted(re.split(r",\s*", re.sub(r"\s+(?=,)", "", listed).strip())) == NAMES
    assert sorted(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/study.md").read_text(), re.MULTILINE)) == NAMES


def test_every_activation_is_compared_at_no_partial_and_full_binarization():
    study = load_study("activations")
    asked = {(cell_config(study, cell).model.backbone.activation, cell.variant.method) for cell in cells(study)}
    assert asked == set(product(("relu", "prelu", "rprelu", "binrelu"), ("fp", "mixbin", "bnn")))


def test_transfer_searches_and_finetunes_on_one_set_only():
    study = load_study("transfer")
    for cell in cells(study):
        weights = {name for name, share in cell_config(study, cell).data.weights.items() if share}
        wanted = {"images": {"images"}, "video": {"got10k", "lasot"}}
        if cell.variant.method != "fp":
            assert weights == wanted[cell.variant.name.split(", ")[1]]
            rival = study.rival_of(cell.variant)
            assert rival is None or rival.endswith(cell.variant.name.split(", ")[1])


def test_a_variant_wins_over_its_base_and_this_over_the_study(tmp_path):
    file = tmp_path / "study.py"
    file.write_text("title = 'x'\nconfig = 'demo'\noverrides = {'finetune.lr': 1, 'fp.lr': 1, 'search.lr': 1}\n"
                    "bases = dict(base={'finetune.lr': 2, 'fp.lr': 2})\n"
                    "variants = [dict(name='a', overrides={'finetune.lr': 3})]")
    study = load_study(str(file))
    config = cell_config(study, cells(study)[0])
    assert (config.search.lr, config.fp.lr, config.finetune.lr) == (1, 2, 3)


@pytest.mark.parametrize(("content", "message"), [
    ("variants = []", "variants is empty"),
    ("variants = [dict(name='a', method='magic')]", "method 'magic' is unknown"),
    ("variants = [dict(name='a'), dict(name='a')]", "two variants"),
    ("variants = [dict(name='a', base='b')]", "base 'b' is not one of base"),
    ("variants = [dict(name='a', budgets=(2,))]", "budget 2 is not in"),
    ("variants = [dict(name='a', method='fp', overrides={'fp.lr': 1})]", "give them to a base of its own"),
    ("variants = [dict(name='a', method='pruned', widths=(.5,))]", "method pruned has none"),
    ("speed = 3\nvariants = [dict(name='a')]", "unknown field 'speed'"),
    ("variants = ", "invalid syntax"),
    # Rivals.
    ("rival = 'b'\nvariants = [dict(name='a')]", "variant 'a': rival 'b' is no variant"),
    ("variants = [dict(name='a', rival='b'), dict(name='b', budgets=(.3,))]", r"rival 'b' has no training at .* 0\.15"),
    ("variants = [dict(name='a', seeds=(0, 1), rival='b'), dict(name='b', seeds=(0, 1, 2))]",
     r"seeds \[0, 1\] are not those of rival 'b', \[0, 1, 2\]"),
    # Plans of others.
    ("variants = [dict(name='a', plan_of='b')]", "plan_of 'b' is no variant"),
    ("variants = [dict(name='a', plan_of='a')]", "plan_of 'a' searches no plan"),
    ("variants = [dict(name='a', plan_of='b'), dict(name='b', method='bnn')]", "plan_of 'b' searches no plan"),
    ("variants = [dict(name='a', plan_of='b'), dict(name='b', method='pruned')]", "plan_of 'b' searches no plan"),
    ("variants = [dict(name='a', plan_of='b', method='random'), dict(name='b')]", "of method mixbin"),
    ("variants = [dict(name='a', plan_of='b', seeds=(1,)), dict(name='b')]", "plan_of 'b' has no plan of seed 1"),
    ("variants = [dict(name='a', plan_of='b'), dict(name='b', budgets=(.15, .3))]", "has no plan of budget 0.5"),
])
def test_what_cannot_be_used_is_named(tmp_path, content, message):
    file = tmp_path / "study.py"
    file.write_text(f"title = 'x'\n{content}")
    with pytest.raises(TrackerError, match=message) as caught:
        load_study(str(file))
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value) or "syntax" in message


def test_a_missing_title_is_named(tmp_path):
    file = tmp_path / "study.py"
    file.write_text("variants = [dict(name='a')]")
    with pytest.raises(TrackerError, match="title"):
        load_study(str(file))


def test_an_unknown_study_is_named_with_those_there_are():
    with pytest.raises(TrackerError, match=r"--config nonsense: no such study; choose .*methods"):
        load_study("nonsense")
