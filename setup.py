"""The compiled kernels of b2nn.packed. Optional: without a C compiler the package installs and runs in plain torch."""

import sysconfig
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# No -march: each function names what it needs. No contraction: results are those of torch's separate operations.
KERNELS = Extension(
    "b2nn.packed._bk",
    ["b2nn/packed/kernels/bk.c"],
    depends=sorted(glob("b2nn/packed/kernels/*.h")),
    extra_compile_args=["-O3", "-g0", "-ffp-contract=off"],
    py_limited_api=True,
    optional=True,
)


class FreshBuild(build_ext):
    """Ships no library of other sources that an earlier build left in build/, even where there is no compiler now."""

    def build_extension(self, ext):
        Path(self.build_lib, self.get_ext_filename(self.get_ext_fullname(ext.name))).unlink(missing_ok=True)
        super().build_extension(ext)


# The kernels are called through ctypes and use nothing of Python's, so one wheel serves all versions; Pythons without
# the global lock know no such wheels.
ONE_WHEEL = {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"py_limited_api": "cp310"}

setup(ext_modules=[KERNELS], cmdclass={"build_ext": FreshBuild}, options={"bdist_wheel": ONE_WHEEL})
