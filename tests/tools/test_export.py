"""The command `b2track export` as a user types it."""

from __future__ import annotations

import sys

import pytest

from b2track.commands import export
from tracker.cli import run


@pytest.mark.parametrize(("options", "message"), [
    (("--format", "onnx"), "none.pth: no such checkpoint"),
    (("--format", "onnx", "--calibration", "somewhere"), "--calibration: only int8 is calibrated, not float32"),
    (("--format", "packed", "--fp-precision", "bf16", "--calibration", "somewhere"),
     "--calibration: only int8 is calibrated, not bf16"),
    (("--format", "onnx", "--fp-precision", "int8"), "--fp-precision int8: of --format packed only"),
    (("--format", "onnx-int8", "--fp-precision", "bf16"), "--fp-precision bf16: of --format packed only"),
    (("--format", "packed", "--dynamic-batch"), "--dynamic-batch: of --format onnx and onnx-int8 only"),
    (("--format", "packed", "--fp-precision", "int4"), "invalid choice: 'int4'"),
    (("--format", "tflite"), "invalid choice: 'tflite'"),
])
def test_errors_are_one_line_and_exit_code_2(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["export", "--checkpoint", "none.pth", "--out", str(tmp_path / "out"), *options])
    with pytest.raises(SystemExit) as ended:
        run(export.main)
    shown = capsys.readouterr()
    assert ended.value.code == 2 and shown.out == ""
    assert message in shown.err and shown.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
