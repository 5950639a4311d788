"""Weights of a packed network laid out for the kernels, once for all programs and input sizes."""

from __future__ import annotations

from b2nn.packed.layout import (
    Weights,
    bf16_weights,
    binary_weights,
    depthwise_weights,
    few_weights,
    float_weights,
    int8_weights,
)
from b2nn.packed.library import Library
from b2nn.packed.program import Conv

_FEW = 8  # outputs up to which vectors run along the inputs


class Layouts:
    """Keeps what it made. For the level that the kernels run at when it is made."""

    def __init__(self, library: Library) -> None:
        self.library, self.level = library, library.level
        self._made: dict[int, tuple[object, Weights]] = {}  # with the tensor, so that its id stays its own

    def weights(self, step: Conv) -> Weights:
        """The weights of a conv as the kernels read them."""
        if id(step.weight) not in self._made:
            self._made[id(step.weight)] = step.weight, self._laid_out(step)
        return self._made[id(step.weight)][1]

    def _laid_out(self, step: Conv) -> Weights:
        if step.precision == "bits":
            return binary_weights(~step.weight, step.groups, self.level)
        if step.precision == "bf16":
            return bf16_weights(step.weight, step.groups)
        if step.precision == "int8":
            return int8_weights(step.weight, step.groups)
        if step.groups == 1 and len(step.weight) <= _FEW and step.weight.shape[1] >= 16:
            return few_weights(step.weight)
        depthwise = step.groups > 1 and step.weight.shape[1] == 1
        return depthwise_weights(step.weight) if depthwise else float_weights(step.weight, step.groups)
