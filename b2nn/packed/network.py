"""The packed network: programs by the names of the methods that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from b2nn.packed import reference
from b2nn.packed.program import Program


class PackedNetwork(nn.Module):
    """For inference only, on the CPU. Packed methods are called by their names: `packed.features(x)`, `packed(x)`.

    Attributes:
        programs: by method.
        metadata: whatever JSON can hold; `b2nn.packed.save` keeps it in the file.
    """

    def __init__(self, programs: Mapping[str, Program], metadata: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.programs, self.metadata = dict(programs), metadata or {}

    def forward(self, *args: Any) -> Any:
        return self.run("forward", *args)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("programs", ()):
            return partial(self.run, name)
        return super().__getattr__(name)

    @torch.inference_mode()
    def run(self, method: str, *args: Any) -> Any:
        return reference.run(self.programs[method], args)
