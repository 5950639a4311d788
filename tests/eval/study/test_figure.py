"""The picture of a study, beside the file that its chapter is in."""

import cv2
import pytest

from eval.study.document import write_chapter
from tests.eval.study.conftest import FP


@pytest.mark.parametrize("budgets", [(0.3,), (0.3, 0.5)])
def test_the_picture_lies_beside_the_file(study, make_row, tmp_path, budgets):
    rows = [make_row(FP), *(make_row(variant, budget) for variant in study.variants[:2] for budget in budgets)]
    write_chapter(study, "ways", rows, ["got10k-val"], "python tools/study.py", len(rows), tmp_path / "a.md")
    assert "](images/study-ways.png)" in (tmp_path / "a.md").read_text(encoding="utf-8")
    assert cv2.imread(str(tmp_path / "images" / "study-ways.png")).std() > 0
