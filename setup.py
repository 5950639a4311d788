"""The compiled kernels of b2nn.packed. Optional: without a C compiler the package installs and runs in plain torch."""

import sysconfig
from glob import glob

from setuptools import Extension, setup

# No -march: each function names what it needs. No contraction: results are those of torch's separate operations.
KERNELS = Extension(
    "b2nn.packed._bk",
    ["b2nn/packed/kernels/bk.c"],
    depends=sorted(glob("b2nn/packed/kernels/*.h")),
    extra_compile_args=["-O3", "-g0", "-ffp-contract=off"],
    py_limited_api=True,
    optional=True,
)

# The kernels are called through ctypes and use nothing of Python's, so one wheel serves all versions; Pythons without
# the global lock know no such wheels.
ONE_WHEEL = {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"py_limited_api": "cp310"}

setup(ext_modules=[KERNELS], options={"bdist_wheel": ONE_WHEEL})
