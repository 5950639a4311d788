"""What the system tells about the processor."""

from __future__ import annotations

import platform
from pathlib import Path

# Instructions that the kernels use.
FLAGS = ("avx2", "avx512f", "avx512_vpopcntdq", "avx512_vnni", "avx512_bf16", "avx_vnni", "asimd")


def cpu_name() -> str:
    """The processor's name, or its family where the system does not tell."""
    return _field("model name") or platform.processor() or platform.machine()


def cpu_flags() -> list[str]:
    """Those of `FLAGS` that it has."""
    told = (_field("flags") or _field("Features")).split()
    return [flag for flag in FLAGS if flag in told]


def _field(name: str) -> str:
    """Of the first processor; empty where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), "")
