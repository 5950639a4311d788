"""tools/export.py as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def command(*options: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "tools/export.py", *options], cwd=ROOT, text=True, capture_output=True)


@pytest.mark.parametrize(("options", "message"), [
    (("--format", "onnx"), "none.pth: no such checkpoint"),
    (("--format", "onnx", "--calibration", "somewhere"), "--calibration: float32 needs none"),
    (("--format", "packed", "--calibration", "somewhere"), "--calibration: float32 needs none"),
    (("--format", "packed", "--fp-precision", "int4"), "invalid choice: 'int4'"),
    (("--format", "tflite"), "invalid choice: 'tflite'"),
])
def test_errors_are_one_line_and_exit_code_2(options, message, tmp_path):
    shown = command("--checkpoint", "none.pth", "--out", str(tmp_path / "out"), *options)
    assert shown.returncode == 2 and shown.stdout == ""
    assert message in shown.stderr and shown.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
