"""The packed network: programs by the names of the methods that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from b2nn.packed import reference
from b2nn.packed.layouts import Layouts
from b2nn.packed.library import library
from b2nn.packed.prepared import Prepared
from b2nn.packed.program import Program

_SIZES = 8  # input sizes for which maps are kept in memory


class PackedNetwork(nn.Module):
    """For inference only, on the CPU. Packed methods are called by their names: `packed.features(x)`, `packed(x)`.

    The first call with inputs of a new size makes maps for it, which later calls use again; so threads must not share a
    network. It runs on `torch.get_num_threads()` threads.

    Attributes:
        programs: by method.
        metadata: whatever JSON can hold; `b2nn.packed.save` keeps it in the file.
    """

    def __init__(self, programs: Mapping[str, Program], metadata: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.programs, self.metadata = dict(programs), metadata or {}
        self._prepared: dict[Any, Prepared] = {}
        self._layouts: Layouts | None = None

    def forward(self, *args: Any) -> Any:
        return self.run("forward", *args)

    @torch.inference_mode()
    def run(self, method: str, *args: Any) -> Any:
        """What the model's `method` returns for these arguments, tensors on the CPU."""
        program, found = self.programs[method], library()
        if found is None:
            return reference.run(program, args)
        if self._layouts is None or self._layouts.level != found.level:
            self._prepared, self._layouts = {}, Layouts(found)
        key = method, *((arg.shape, arg.dtype) if isinstance(arg, Tensor) else arg for arg in args)
        prepared = self._prepared.get(key)
        if prepared is None:
            if len(self._prepared) == _SIZES:
                del self._prepared[next(iter(self._prepared))]
            prepared = self._prepared[key] = Prepared(program, args, self._layouts)
        return prepared(args)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("programs", ()):
            return partial(self.run, name)
        return super().__getattr__(name)

    def __getstate__(self) -> dict[str, Any]:
        # Copies make maps and layouts of their own.
        return {**self.__dict__, "_prepared": {}, "_layouts": None}
