"""tools/doctor.py: what is there, what is missing, and the command that mends it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tracker import doctor
from tracker.doctor import Package

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def packages(monkeypatch):
    """Looks for these packages only."""
    def look_for(*entries):
        monkeypatch.setattr(doctor, "PACKAGES", entries)
    return look_for


def test_the_command_finds_what_the_tests_run_on():
    shown = subprocess.run([sys.executable, "tools/doctor.py", "--json"], cwd=ROOT, text=True, capture_output=True)
    told = json.loads(shown.stdout)
    found = {entry["name"]: entry["found"] for entry in told["findings"]}
    assert shown.returncode == 0 and told["ok"]
    assert all(found[name] for name in ("python", "torch", "numpy", "scipy", "opencv-python", "mmengine", "lmdb",
                                        "kernel", "threads", "cpu flags"))


def test_a_missing_package_that_is_needed_fails_and_has_its_command(packages, capsys):
    packages(Package("nosuch", "nosuch"))
    assert doctor.report() == 1
    shown = capsys.readouterr().out
    assert 'MISSING nosuch          missing (pip install ".")' in shown
    assert shown.endswith("something needed is missing: see above\n")


def test_a_missing_package_that_is_optional_is_told_and_no_failure(packages, capsys):
    packages(Package("onnxruntime", "nosuch", "onnx", "exported graphs"))
    assert doctor.report() == 0
    assert 'missing, for exported graphs (pip install ".[onnx]")' in capsys.readouterr().out


def test_every_optional_package_is_known_by_its_extra_and_its_purpose():
    project = pytest.importorskip("tomllib").loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = [one for one in doctor.PACKAGES if one.optional_for]
    assert {"aiohttp", "pillow", "onnx", "onnxruntime"} <= {one.distribution for one in optional}
    for one in optional:
        assert any(entry.lower().startswith(one.distribution) for entry in project["optional-dependencies"][one.extra])


def test_a_package_that_breaks_when_it_is_loaded_is_missing_with_its_reason(packages, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    packages(Package("broken", "broken"))
    finding = next(one for one in doctor.examine() if one.name == "broken")
    assert not finding.ok and "libGL.so.1" in finding.remedy


def test_without_kernels_torch_does_and_the_reason_is_told(monkeypatch, packages):
    packages()
    monkeypatch.setattr("b2nn.packed.library.library", lambda: None)
    monkeypatch.setattr("b2nn.packed.library.missing", lambda: "no compiler was there")
    finding = next(one for one in doctor.examine() if one.name == "kernel")
    assert finding.found == "plain torch" and finding.remedy.startswith("no compiler was there: apt-get install gcc")


@pytest.mark.parametrize(("name", "value", "said"), [
    ("B2NN_KERNEL", "nonsense", "B2NN_KERNEL=nonsense is unknown"),
    ("B2NN_LIBRARY", "/nowhere/none.so", "B2NN_LIBRARY"),
])
def test_nonsense_in_the_environment_is_one_line(monkeypatch, packages, capsys, name, value, said):
    packages()
    monkeypatch.setenv(name, value)
    monkeypatch.setattr("b2nn.packed.library._looked", False)
    doctor.report()
    (line,) = (line for line in capsys.readouterr().out.splitlines() if " kernel " in line)
    assert said in line


def test_a_machine_without_a_display_is_told_what_to_do(monkeypatch, packages):
    packages()
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert "--no-display" in next(one for one in doctor.examine() if one.name == "display").remedy
