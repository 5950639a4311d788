"""`kernels/bk.h` field by field, and running a list of such steps."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from b2nn.packed.library import Library

MAX_BITS = 4
KINDS = {"bits": 0, "float": 1, "bf16": 2, "int8": 3, "depthwise": 4, "load": 5, "max_pool": 6, "average_pool": 7,
         "load_u8": 8, "transpose": 9, "few": 10}
ACTIVATIONS = {"none": 0, "relu": 1, "relu6": 2, "prelu": 3, "rprelu": 4, "binrelu": 5, "hardswish": 6,
               "sigmoid": 7}

_INT, _LONG, _FLOAT, _POINTER = ctypes.c_int32, ctypes.c_int64, ctypes.c_float, ctypes.c_void_p


class BitPlane(ctypes.Structure):
    """bk_bits."""

    _fields_ = [("data", _POINTER), ("threshold", _POINTER), ("pitch", _LONG)]


class Step(ctypes.Structure):
    """bk_step. `keep` holds the arrays that its pointers point into."""

    _fields_ = [
        *[(name, _INT) for name in (
            "kind", "act", "pixels", "groups", "outputs", "padded", "steps", "group_offset", "multiplier",
            "columns", "image_pixels", "base_pitch", "beta_pitch", "row_pitch", "column_pitch", "u8_zero",
            "bit_planes")],
        ("u8_inverse", _FLOAT), *[(name, _INT) for name in ("taps", "pixel_words", "inputs", "row")],
        *[(name, _POINTER) for name in ("input", "in_", "out", "border", "spread", "offset", "window", "divisor",
                                      "weight")],
        *[(name, _LONG) for name in ("group_weight", "weight_pitch", "image_weight")],
        *[(name, _POINTER) for name in ("base", "alpha", "gamma", "beta", "tap", "q_base", "shortcut")],
        ("shortcut_pitch", _LONG),
        *[(name, _POINTER) for name in ("shortcut_pixel", "act_a", "act_b", "act_c", "f32", "bf16", "u8")],
        *[(name, _LONG) for name in ("f32_pitch", "bf16_pitch", "u8_pitch")],
        ("bits", BitPlane * MAX_BITS),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.keep: list[Any] = []
        self.multiplier, self.groups = 1, 1

    def point(self, **arrays: Any) -> None:
        """Set pointers to numpy arrays, which the step keeps; None stays NULL."""
        for name, array in arrays.items():
            if array is not None:
                self.keep.append(array)
                setattr(self, name, array.ctypes.data)


class Steps:
    """Steps that are run by one call, in their order. Holds all that they point to."""

    def __init__(self, library: Library, steps: Sequence[Step]) -> None:
        self._steps = list(steps)
        self._array = (Step * len(self._steps))(*self._steps)
        self._run, self._address, self._count = library.functions.bk_run, ctypes.addressof(self._array), len(steps)

    def __len__(self) -> int:
        return self._count

    def bind(self, number: int, address: int) -> None:
        """Let a step read other memory, of the same layout, from now on."""
        self._array[number].input = address

    def __call__(self, threads: int = 1) -> None:
        """Run on up to `threads` threads, usually `torch.get_num_threads()`. The result does not depend on them."""
        self._run(self._address, self._count, threads)
