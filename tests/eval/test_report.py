"""The command as a user types it; what is on the page is told in `reporting/`."""

import json
import sys

import pytest

from eval import report
from tracker.cli import run


@pytest.fixture
def call(monkeypatch, capsys):
    """Run eval/report.py in this process: (exit code, stdout, stderr)."""
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["report", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            run(report.main)
        return ended.value.code, *capsys.readouterr()

    return call


def test_results_become_a_page_and_what_is_missing_is_said(tmp_path, call):
    folder = tmp_path / "eval/otb"
    folder.mkdir(parents=True)
    row = dict(tracker="demo/fp", checkpoint="demo/fp/checkpoint.pth", method="fp", fps=50.0, ao=0.5, success=0.6)
    (folder / "results.json").write_text(json.dumps([row]))
    code, out, _ = call("--results", tmp_path, "--out", tmp_path / "page")
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "page").iterdir()) == ["report.html", "report.md"]
    assert "dataset.json: no such file" in out
    assert ".600" in (tmp_path / "page/report.md").read_text()


def test_nothing_to_report_is_one_line(tmp_path, call):
    code, _, error = call("--results", tmp_path, "--out", tmp_path / "page")
    assert (code, len(error.splitlines())) == (2, 1)
    assert "eval/run_got10k.py" in error
    assert not (tmp_path / "page").exists()
