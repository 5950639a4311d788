"""The NEON level against the scalar one, cross-compiled and run under user-mode emulation."""

import shutil
import subprocess
from pathlib import Path

import pytest

import b2nn

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"


def test_neon_equals_scalar(tmp_path):
    for tool in (COMPILER, EMULATOR):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing; on Debian: apt-get install gcc-aarch64-linux-gnu qemu-user")
    program, kernels = tmp_path / "selftest", Path(b2nn.__file__).parent / "packed" / "kernels"
    source = Path(__file__).with_name("neon_selftest.c")
    subprocess.run([COMPILER, "-O2", "-ffp-contract=off", "-static", "-I", kernels, source, "-o", program], check=True)
    run = subprocess.run([EMULATOR, program], text=True, capture_output=True, timeout=60)
    assert run.stdout.endswith("200 steps, 0 failures\n") and run.returncode == 0, run.stdout
