"""What pip gets from the tree: a wheel and a source archive that hold what runs and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("b2nn", "b2track", "datasets", "eval", "tracker")
BUILD = """
import os
from setuptools import build_meta
os.makedirs("made")
print(build_meta.build_wheel("made"), build_meta.build_sdist("made"))
"""


@pytest.fixture(scope="module")
def archives(tmp_path_factory) -> tuple[str, set[str], set[str]]:
    """Name of the wheel, and the files in wheel and source archive, built where there is no compiler.

    Beside what is needed the tree holds what people have in theirs.
    """
    pytest.importorskip("setuptools", reason="setuptools builds the wheel; pip install setuptools")
    tree = tmp_path_factory.mktemp("tree")
    for name in (*PACKAGES, "tests", "tools", "docs"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "_bk*"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("work_dirs/fp/checkpoint.pth", ".venv/lib/module.py"):
        (tree / name).parent.mkdir(parents=True)
        (tree / name).touch()
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=tree, capture_output=True, text=True,
                          env=os.environ | {"CC": "/nonexistent"})
    assert done.returncode == 0, done.stderr
    wheel, source = done.stdout.split()[-2:]
    with zipfile.ZipFile(tree / "made" / wheel) as files, tarfile.open(tree / "made" / source) as more:
        return wheel, set(files.namelist()), {name.partition("/")[2] for name in more.getnames()}


def own_files(pattern: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob(pattern)
            if "__pycache__" not in path.parts}


def test_the_wheel_holds_every_module_and_what_they_read(archives):
    _, wheel, _ = archives
    assert own_files("*.py") <= wheel
    assert own_files("templates/*") | own_files("web/static/*") | own_files("py.typed") <= wheel
    assert {"tracker/ready/nano.packed", "tracker/ready/MODEL_CARD.md"} <= wheel


def test_the_wheel_holds_nothing_else(archives):
    _, wheel, _ = archives
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert not [name for name in wheel if name.endswith((".pth", ".pyc"))]


def test_the_source_archive_can_be_compiled(archives):
    _, _, source = archives
    kernels = own_files("kernels/*.[ch]")
    assert len(kernels) > 3 and kernels <= source
    assert own_files("*.py") | {"setup.py", "pyproject.toml", "LICENSE", "tracker/ready/nano.packed"} <= source


def test_one_wheel_serves_every_version_of_python(archives):
    assert "-cp310-abi3-" in archives[0]
