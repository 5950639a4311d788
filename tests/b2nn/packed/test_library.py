"""Finding the kernels, choosing a level, threads and forks, and doing without a compiler."""

import ctypes
import ctypes.util
import os
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import b2nn
import b2nn.packed.library as module
from b2nn.errors import B2nnError
from b2nn.packed.library import ABI, LEVELS, library
from b2nn.packed.step import MAX_BITS, BitPlane, Step

ROOT = Path(b2nn.__file__).resolve().parents[1]

# One layer, and what it ran on.
LAYER = """
import torch
from b2nn.layers import BinaryConv2d
from b2nn.packed.library import kernel
from b2nn.packed.ops import PackedConv2d
torch.manual_seed(0)
layer, x = BinaryConv2d(40, 24, 3, padding=1).eval(), torch.randn(1, 40, 31, 31)
with torch.no_grad():
    assert torch.equal(PackedConv2d(layer)(x), layer(x))
print(kernel())
"""


def python(code: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("B2NN_", "PYTHONPATH"))}
    return subprocess.run([sys.executable, "-c", code], cwd=folder, text=True, capture_output=True, timeout=120,
                          env=clean | {"PYTHONPATH": str(folder)} | environment)  # fmt: skip


def test_structure_is_the_one_compiled(found):
    assert found.functions.bk_abi() == ABI
    assert found.functions.bk_step_size() == ctypes.sizeof(Step)
    assert MAX_BITS * ctypes.sizeof(BitPlane) == Step.bits.size


def test_environment_forces_a_level():
    if library() is None:
        pytest.skip("needs compiled kernels")
    run = python(LAYER, B2NN_KERNEL="scalar")
    assert (run.stdout, run.stderr) == ("scalar\n", "")


@pytest.fixture
def again(monkeypatch):
    """`library()` as if it were called for the first time."""
    for name, value in (("_looked", False), ("_found", None), ("_missing", None)):
        monkeypatch.setattr(module, name, value)


def test_environment_turns_the_kernels_off_without_a_warning(again, monkeypatch):
    monkeypatch.setenv("B2NN_KERNEL", "torch")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert library() is None and module.kernel() == "torch"
    assert "B2NN_KERNEL=torch" in module.missing()


def test_a_level_that_is_unknown_or_not_there_is_an_error(again, monkeypatch):
    monkeypatch.setenv("B2NN_KERNEL", "sse9")
    levels = "avx512, avxvnni, avx2, neon, scalar, torch"
    with pytest.raises(B2nnError, match=f"B2NN_KERNEL=sse9 is unknown; choose one of {levels}"):
        library()
    monkeypatch.delenv("B2NN_KERNEL")
    if (kernels := library()) is not None:
        absent = "avx2" if kernels.level == "neon" else "neon"
        with pytest.raises(B2nnError, match=f"kernel level '{absent}' does not run on this CPU"):
            kernels.set_level(absent)


def test_a_file_that_is_no_library_is_warned_of_once(again, monkeypatch, tmp_path):
    (tmp_path / "broken.so").write_bytes(b"no library")
    monkeypatch.setenv("B2NN_LIBRARY", str(tmp_path / "broken.so"))
    with pytest.warns(UserWarning, match="binary layers run in plain torch") as seen:
        assert library() is None and library() is None
    assert len(seen) == 1


@pytest.mark.parametrize(("file", "message"), [
    (ctypes.util.find_library("m"), "is a library, but not of these kernels"), ("none.so", "which is no file")])
def test_a_library_of_something_else_is_named(again, monkeypatch, file, message):
    loaded = next((line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if str(file) in line),
                  str(file))
    monkeypatch.setenv("B2NN_LIBRARY", loaded)
    with pytest.warns(UserWarning, match=message) as seen:
        assert library() is None
    assert seen[0].filename == __file__


@pytest.mark.parametrize("change", [dict(ABI=ABI + 1), dict(Step=BitPlane)], ids=str)
def test_a_library_of_other_sources_is_not_used(again, monkeypatch, change):
    if library() is None:
        pytest.skip("needs compiled kernels")
    for name, value in {"_looked": False, **change}.items():
        monkeypatch.setattr(module, name, value)
    with pytest.warns(UserWarning, match=r"was compiled from other sources .* remove that file and build/"):
        assert library() is None


def test_threads_that_look_at_once_load_it_once(again, monkeypatch):
    loaded, together = [], threading.Barrier(4)
    monkeypatch.setattr(module, "_load", lambda wanted: loaded.append(wanted) or time.sleep(0.05) or "kernels")

    def look():
        together.wait()
        assert library() == "kernels"

    with ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(look) for _ in range(4)]:
            one.result()
    assert len(loaded) == 1


def test_threads_are_those_of_the_libgomp_that_torch_has_loaded():
    if library() is None or not sys.platform.startswith("linux"):
        pytest.skip("needs compiled kernels")
    run = python("import torch, b2nn.packed.library as l; l.library(); print(*{line.split()[-1] for line in "
                 "open('/proc/self/maps') if 'libgomp' in line})")
    assert len(run.stdout.split()) == 1 and run.stdout.strip() == module._torchs_openmp()


def test_a_child_of_a_fork_runs_on_one_thread_and_does_not_hang():
    if library() is None:
        pytest.skip("needs compiled kernels")
    code = LAYER.replace("print(kernel())", """
import os
torch.set_num_threads(2)
packed = PackedConv2d(BinaryConv2d(64, 128, 3, padding=1).eval())
x = torch.randn(1, 64, 64, 64)
wanted = packed(x)
torch.nn.functional.conv2d(x, torch.randn(64, 64, 3, 3))
child = os.fork()
if child == 0:
    torch.nn.functional.conv2d(x, torch.randn(64, 64, 3, 3))  # torch's own pool does not survive a fork either
    from b2nn.packed.library import library
    from b2nn.packed.ops import _prepared
    [ready.steps(2) for ready in _prepared.values()]
    os._exit(not torch.equal(packed(x), wanted))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""")
    run = python(code)
    assert run.stdout == "0\n", run.stderr


def next_build(folder: Path) -> Path:
    """Where setup.py will compile to."""
    import setuptools

    command = setuptools.Distribution().get_command_obj("build")
    command.ensure_finalized()
    return folder / command.build_platlib


@pytest.fixture(scope="module")
def no_compiler(tmp_path_factory) -> Path:
    """A copy of the package, built by setup.py where there is no compiler."""
    folder = tmp_path_factory.mktemp("clean")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    for path in (ROOT / "b2nn").rglob("*"):
        if path.suffix in (".py", ".c", ".h"):
            copy = folder / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    name = Path(module._file()).name if library() else "_bk.abi3.so"
    (stale := next_build(folder) / "b2nn/packed" / name).parent.mkdir(parents=True)
    stale.write_bytes(b"of older sources")
    build = subprocess.run([sys.executable, "setup.py", "build_ext", "--inplace"], cwd=folder, text=True, timeout=60,
                           capture_output=True, env=os.environ | {"CC": "/nonexistent"})  # fmt: skip
    assert build.returncode == 0, build.stderr
    assert not stale.exists()
    return folder


def test_without_a_compiler_torch_does_the_same_and_says_so_once(no_compiler):
    run = python(LAYER + "PackedConv2d(layer)(x)", no_compiler)
    assert run.stdout == "torch\n" and run.returncode == 0
    assert run.stderr.count("UserWarning") == 1
    assert "install a compiler such as gcc, then b2track once more" in run.stderr
    assert "binary layers run in plain torch, which is slow" in run.stderr


def test_levels_are_numbered_as_in_c():
    header = (ROOT / "b2nn/packed/kernels/bk.h").read_text()
    assert "enum { " + ", ".join(f"BK_{name.upper()}" for name in LEVELS) + " };" in header
    assert f"#define BK_ABI {ABI}\n" in header
