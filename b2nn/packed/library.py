"""The compiled kernels: where they are, at which level they run, on which threads.

`pip install` compiles `kernels/bk.c` to a library beside this file. Where that failed, or its interface is another
one, `library()` is None and everything runs in plain torch; the reason is warned of once and told by `missing()`.

The environment variable B2NN_KERNEL forces a level: avx512, avxvnni (which is AVX2 with AVX-VNNI), avx2, neon, scalar,
or torch for none. B2NN_LIBRARY names another library file, for instance one built with sanitizers.
"""

from __future__ import annotations

import ctypes
import os
import threading
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from b2nn.errors import B2nnError
from b2nn.packed.step import Step

ABI = 4
LEVELS = ("scalar", "neon", "avx2", "avxvnni", "avx512")
TORCH = "torch"
FEATURES = {"bf16": 1, "int8": 2}


@dataclass
class Library:
    """The loaded kernels. Steps are made for one level; change it only while no steps exist."""

    path: Path
    functions: Any

    @property
    def level(self) -> str:
        """One of `LEVELS`."""
        return LEVELS[self.functions.bk_level()]

    @property
    def fast(self) -> frozenset[str]:
        """Which of "bf16" and "int8" the CPU has instructions for; the others are right but slow."""
        bits = self.functions.bk_features()
        return frozenset(name for name, bit in FEATURES.items() if bits & bit)

    def set_level(self, level: str | None) -> None:
        """Run at `level` from now on, or at the CPU's best with None; `B2nnError` where the CPU lacks it."""
        if level is not None and level not in LEVELS:
            raise B2nnError(f"kernel level {level!r} is unknown; choose one of {', '.join(reversed(LEVELS))}")
        if self.functions.bk_set_level(-1 if level is None else LEVELS.index(level)) < 0:
            raise B2nnError(f"kernel level {level!r} does not run on this CPU; its best is {self.level!r}")


_found: Library | None = None
_missing: str | None = None
_looked = False
_looking = threading.Lock()


def library() -> Library | None:
    """The kernels, loaded at the first call, or None where plain torch must do."""
    if not _looked:
        with _looking:
            _look()
    return _found


def _look() -> None:
    global _found, _missing, _looked
    if not _looked:
        wanted = _wanted()
        try:
            _found, _missing = _load(wanted), None
        except OSError as error:
            _found, _missing = None, str(error)
            if wanted != TORCH:
                warnings.warn(f"{_missing}; binary layers run in plain torch, which is slow", stacklevel=_callers())
        _looked = True


def missing() -> str | None:
    """Why `library()` is None, in one line; None where it is not."""
    library()
    return _missing


def kernel() -> str:
    """What binary layers run on: a level of the compiled kernels, or "torch"."""
    found = library()
    return TORCH if found is None else found.level


def _callers() -> int:
    """How many frames up from the caller of this the first line lies that is neither b2nn's nor torch's."""
    own = str(Path(__file__).parents[1]), str(Path(torch.__file__).parent)
    frames = traceback.extract_stack()[:-1]
    outside = [number for number, frame in enumerate(reversed(frames), 1) if not frame.filename.startswith(own)]
    return outside[0] if outside else 1


def _wanted() -> str | None:
    wanted = os.environ.get("B2NN_KERNEL") or None
    if wanted not in (None, TORCH, *LEVELS):
        raise B2nnError(f"B2NN_KERNEL={wanted} is unknown; choose one of {', '.join((*reversed(LEVELS), TORCH))}")
    return wanted


def _load(wanted: str | None) -> Library:
    """The library at the wanted level and on torch's threads; `OSError` says why there is none."""
    if wanted == TORCH:
        raise OSError("B2NN_KERNEL=torch turns the compiled kernels off")
    found = Library(path := _file(), ctypes.CDLL(str(path)))
    functions = found.functions
    if not hasattr(functions, "bk_abi"):
        raise OSError(f"{path} is a library, but not of these kernels; mend or unset B2NN_LIBRARY")
    if functions.bk_abi() != ABI or functions.bk_step_size() != ctypes.sizeof(Step):
        raise OSError(f"{path} was compiled from other sources (interface {functions.bk_abi()}, needed is {ABI}; "
                      f"{functions.bk_step_size()} bytes a step, needed are {ctypes.sizeof(Step)}); remove that file "
                      "and build/, and run pip install again")
    functions.bk_run.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    functions.bk_set_pool.argtypes = [ctypes.c_void_p] * 3
    functions.bk_set_pool.restype = None
    found.set_level(wanted)
    _borrow_threads(functions)
    os.register_at_fork(after_in_child=lambda: _run_alone(functions))
    return found


def _run_alone(functions: Any) -> None:
    """In a child of a fork: a pool does not survive one, and libgomp hangs where the parent used it, torch with it."""
    functions.bk_set_pool(None, None, None)
    torch.set_num_threads(1)


def _file() -> Path:
    if named := os.environ.get("B2NN_LIBRARY"):
        if not Path(named).is_file():
            raise OSError(f"B2NN_LIBRARY names {named}, which is no file; mend or unset it")
        return Path(named).absolute()
    for suffix in ("so", "dylib", "pyd"):
        for path in sorted(Path(__file__).parent.glob(f"_bk*.{suffix}")):
            return path
    raise OSError("the compiled kernels are missing, so there was no C compiler at installation: install a compiler "
                  "such as gcc, then b2track once more (pip install --force-reinstall --no-deps)")


def _borrow_threads(functions: Any) -> None:
    """Run on torch's own OpenMP pool: two pools would fight for the cores. Without it one thread is used."""
    path = _torchs_openmp() if torch.backends.openmp.is_available() else None
    if path is None:
        return
    try:
        pool = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_NOLOAD)  # never a second copy
        names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
        functions.bk_set_pool(*[ctypes.cast(getattr(pool, name), ctypes.c_void_p) for name in names])
    except (OSError, AttributeError):
        return


def _torchs_openmp() -> str | None:
    """The file of the libgomp that this process has loaded: torch's own where there are several."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return None
    loaded = dict.fromkeys(line.split(maxsplit=5)[5] for line in lines if "libgomp" in line and "/" in line)
    home = str(Path(torch.__file__).parent)  # and torch.libs beside it
    return next((path for path in loaded if path.startswith(home)), next(iter(loaded), None))
