"""What a cell's numbers depend on, and what a row of something else is worth."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from eval.study.cell import base_job, cell_job, made_by
from eval.study.plan import Study, Variant, cells
from eval.study.rows import read_row
from eval.study.sources import Sources
from tracker.errors import TrackerError
from tracker.training.data import TrainingData

STUDY = Study("", (Variant("giver"), Variant("taker", plan_of="giver"), Variant("wide", widths=(0.25, 0.5)),
                   Variant("poor", overrides={"finetune.lr": 1.0})),
              config="demo", budgets=(0.3,))
IDENTITY = {"data": ["got10k-train: 1", "got10k-val: 2"], "teacher": [], "benchmarks": ["got10k-val"]}


def sources(folder=Path("work"), threads=1, **identity) -> Sources:
    made = Sources("s", TrainingData(), Path("got10k"), None, [], folder, threads=threads)
    vars(made)["identity"] = IDENTITY | identity  # nothing is read
    return made


def prints(study=STUDY, **more) -> list[str]:
    return [made_by(study, cell, sources(**more)) for cell in cells(study)]


def changed(index, **fields) -> Study:
    variants = list(STUDY.variants)
    variants[index] = dataclasses.replace(variants[index], **fields)
    return dataclasses.replace(STUDY, variants=tuple(variants))


@pytest.mark.parametrize("same", [
    dict(folder=Path("elsewhere")), dict(threads=2), dict(study=dataclasses.replace(STUDY, title="New", rival="giver")),
    dict(study=dataclasses.replace(STUDY, overrides={"search.lr": 3e-4}))])
def test_names_folders_threads_and_rivals_change_no_numbers(same):
    assert prints(**same) == prints()


@pytest.mark.parametrize("other", [
    dict(data=["got10k-train: 3", "got10k-val: 2"]), dict(teacher=["nanotrack_v2", "abc"]), dict(benchmarks=["otb"]),
    dict(study=dataclasses.replace(STUDY, held_out_batches=3)), dict(study=dataclasses.replace(STUDY, config="nano")),
    dict(study=dataclasses.replace(STUDY, bases={"base": {"fp.iterations": 3}}))])
def test_settings_data_teacher_and_benchmarks_do(other):
    assert not set(prints(**other)) & set(prints())


def test_what_gives_a_plan_is_part_of_what_takes_it():
    before, after = prints(), prints(changed(0, overrides={"search.lr": 1.0}))
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True, True, False]
    assert [cell.variant.name for cell in cells(STUDY)] == ["giver", "wide", "poor", "taker"]


def test_a_row_of_other_data_is_refused(tmp_path):
    cell, own = cells(STUDY)[0], sources(tmp_path)
    assert read_row(STUDY, cell, own) is None
    file = own.row(cell)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"made_by": made_by(STUDY, cell, own)}))
    assert read_row(STUDY, cell, own).cell is cell
    with pytest.raises(TrackerError, match="of other data") as caught:
        read_row(STUDY, cell, sources(tmp_path, data=["got10k-train: 3"]))
    assert str(file) in str(caught.value)


def test_variants_of_several_widths_train_their_own_full_precision_trackers():
    taught = dataclasses.replace(sources(), teacher=("nanotrack_v2", Path("teacher.pth")))
    jobs = {cell.variant.name: cell_job(STUDY, cell, taught) for cell in cells(STUDY)}
    assert jobs["wide"].full_precision is None
    assert jobs["wide"].teacher == base_job(STUDY, "base", taught).teacher == taught.teacher
    assert jobs["wide"].widths == (0.25, 0.5)
    assert jobs["poor"].full_precision == taught.base("base")
    assert jobs["poor"].teacher is None
