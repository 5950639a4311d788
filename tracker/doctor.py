"""What this machine offers the tracker and what it lacks: `tools/doctor.py`."""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any, NamedTuple

from tracker.cpu import cpu_flags, cpu_name


class Package(NamedTuple):
    """A distribution, its module, our extra that installs it, and what it is for where one can do without it."""

    distribution: str
    module: str
    extra: str = ""
    optional_for: str = ""


PACKAGES = (
    *(Package(name, name) for name in ("torch", "numpy", "scipy")),
    Package("opencv-python", "cv2"),
    Package("av", "av"),
    *(Package(name, name) for name in ("mmengine", "lmdb", "matplotlib", "rich", "jinja2")),
    Package("aiohttp", "aiohttp", "web", "the page of `b2track serve`"),
    Package("pillow", "PIL", "web", "the page of `b2track serve`"),
    Package("onnx", "onnx", "onnx", "exporting ONNX graphs"),
    Package("onnxruntime", "onnxruntime", "onnx", "running ONNX graphs, NanoTrack's among them"),
    Package("got10k", "got10k", "got10k", "scoring by its toolkit"),
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: of it.
        found: version or value; None where it is missing.
        needed: whether everything else depends on it.
        remedy: one command, or a line, that mends what is missing; empty where nothing is.
        purpose: of what one can do without.
    """

    name: str
    found: str | None
    needed: bool = False
    remedy: str = ""
    purpose: str = ""

    @property
    def ok(self) -> bool:
        return self.found is not None


def examine() -> list[Finding]:
    """All findings, those of software first."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        packages = list(pool.map(_package, PACKAGES))
    return [Finding("python", platform.python_version(), True), *packages, _kernel(),
            Finding("cpu", cpu_name()), Finding("cpu flags", " ".join(cpu_flags()) or "none that the kernels use"),
            _threads(), _display()]


def report(as_json: bool = False) -> int:
    """Print what was found; 0 if everything needed is there, else 1."""
    findings = examine()
    healthy = all(finding.ok for finding in findings if finding.needed)
    if as_json:
        print(json.dumps({"ok": healthy, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            mark = "ok" if finding.ok and not finding.remedy else "MISSING" if finding.needed else "--"
            purpose = f", for {finding.purpose}" if finding.purpose else ""
            remedy = f" ({finding.remedy})" if finding.remedy else ""
            print(f"{mark:<8}{finding.name:<15} {finding.found or 'missing'}{purpose}{remedy}")
        print("everything needed is there" if healthy else "something needed is missing: see above")
    return 0 if healthy else 1


def _package(package: Package) -> Finding:
    distribution, module, extra, purpose = package
    needed = not purpose
    remedy = f'pip install ".[{extra}]"' if extra else 'pip install "."'
    # In a process of its own: a broken library can end the one that loads it.
    tried = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return Finding(distribution, _version(distribution, module), needed, purpose=purpose)
    last = (tried.stderr.strip().splitlines() or [f"exit code {tried.returncode}"])[-1]
    if module == "cv2" and "lib" in last and ".so" in last:
        remedy = f"{last}; apt-get install libgl1 libglib2.0-0"
    elif "No module named" not in last:
        remedy = f"{last}; {remedy}"
    return Finding(distribution, None, needed, remedy, purpose)


def _version(distribution: str, module: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:  # another wheel provides the module
        return str(getattr(importlib.import_module(module), "__version__", "unknown version"))


def _kernel() -> Finding:
    """The compiled kernels; without them binary networks run, only not fast."""
    remedy = "apt-get install gcc && pip install --force-reinstall --no-deps ."
    try:
        from b2nn.packed.library import kernel, library, missing
    except ImportError as error:
        return Finding("kernel", "plain torch", remedy=str(error))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = library()
    except ValueError as error:  # of B2NN_KERNEL or B2NN_LIBRARY; nothing packed runs until they are mended
        return Finding("kernel", None, True, str(error))
    if found is None:
        why = missing() or ""
        if os.environ.get("B2NN_LIBRARY"):
            remedy = "mend or unset B2NN_LIBRARY"
        return Finding("kernel", "plain torch", remedy=why if "B2NN_KERNEL" in why else f"{why}: {remedy}")
    fast = ", ".join(sorted(found.fast)) or "none"
    return Finding("kernel", f"{kernel()}; besides bits fast in: {fast}; {found.path}")


def _threads() -> Finding:
    cores: Any = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    told = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY") if name in os.environ}
    try:
        import torch

        threads = f"torch uses {torch.get_num_threads()} of {cores} cores"
    except (ImportError, OSError):
        threads = f"{cores} cores"
    return Finding("threads", "; ".join([threads, *(f"{name}={value}" for name, value in told.items())]))


def _display() -> Finding:
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return Finding("display", os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or "the desktop's")
    return Finding("display", None, remedy="none is needed: give `b2track track` --no-display and --out FILE.mp4")
