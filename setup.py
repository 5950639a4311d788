"""The compiled kernels of b2nn.packed. Optional: without a C compiler the package installs and runs in plain torch."""

from setuptools import Extension, setup

# No -march: each function names what it needs. No contraction: results are those of torch's separate operations.
KERNELS = Extension(
    "b2nn.packed._bk",
    ["b2nn/packed/kernels/bk.c"],
    depends=[f"b2nn/packed/kernels/{name}.h" for name in ("bk", "avx512", "few512", "slide512", "avx2", "narrow")],
    extra_compile_args=["-O3", "-g0", "-ffp-contract=off"],
    py_limited_api=True,
    optional=True,
)

setup(ext_modules=[KERNELS])
