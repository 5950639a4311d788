import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from b2nn.errors import B2nnError
from b2nn.packed.library import LEVELS, Library, library

sys.path.insert(0, str(Path(__file__).parent))  # for packed_networks, which several tests share


@pytest.fixture(params=LEVELS)
def found(request: pytest.FixtureRequest) -> Iterator[Library]:
    """The kernels at each level that this CPU has."""
    kernels = library()
    if kernels is None:
        pytest.skip("the compiled kernels are missing; run `python setup.py build_ext --inplace`")
    before = kernels.level
    try:
        kernels.set_level(request.param)
    except B2nnError as error:
        pytest.skip(str(error))
    yield kernels
    kernels.set_level(before)
