"""Maps in memory: several formats side by side, with one border that all of them have."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2nn.errors import B2nnError
from b2nn.packed.layout import SLOT
from b2nn.packed.step import MAX_BITS

Format = Literal["float", "bits", "bf16", "u8"]
Numbers = Literal["float", "bf16", "u8"]
FORMATS: tuple[Format, ...] = ("float", "bits", "bf16", "u8")
Number = float  # in `Buffers` that is the name of a format


@dataclass
class Bits:
    """A map's signs: bit 1 where NOT x >= threshold.

    Attributes:
        data: (N, height, width, bytes) uint8 with borders; each group has its channels in 64-bit words of its own.
        threshold: (C,) float32.
        groups: of the convs that read these bits.
    """

    data: Tensor
    threshold: Tensor
    groups: int


@dataclass
class Buffers:
    """A map (N, C, H, W) in memory as NHWC with `border` pixels around, in the formats that were added.

    Attributes:
        start, channels: the channels this object stands for, of `total` in memory; see `part`.
        scale, zero: a value is scale * (u8 - zero).
    """

    images: int
    channels: int
    height: int
    width: int
    border: int = 0
    start: int = 0
    total: int = 0
    float: Tensor | None = None
    bits: list[Bits] = field(default_factory=list)
    bf16: Tensor | None = None
    u8: Tensor | None = None
    scale: Number = 1.0
    zero: int = 0

    def __post_init__(self) -> None:
        self.total = self.total or self.channels

    @property
    def physical(self) -> tuple[int, int, int]:
        """Images, height and width with borders."""
        return self.images, self.height + 2 * self.border, self.width + 2 * self.border

    def add_float(self) -> Buffers:
        """With a float32 format, border 0."""
        if self.float is None:
            self.float = torch.zeros(*self.physical, self.total)
        return self

    def add_bits(self, threshold: Tensor, groups: int = 1) -> int:
        """With the signs against a (C,) threshold; the number of the bit plane, an old one where there is such."""
        for number, bits in enumerate(self.bits):
            if bits.groups == groups and torch.equal(bits.threshold, threshold.detach().float()):
                return number
        if len(self.bits) == MAX_BITS:
            raise B2nnError(f"a map holds at most {MAX_BITS} different planes of bits")
        width = groups * -(-(self.total // groups) // SLOT) * SLOT // 8
        data = torch.zeros(*self.physical, width, dtype=torch.uint8)
        self.bits.append(Bits(data, threshold.detach().float(), groups))
        return len(self.bits) - 1

    def add_bf16(self) -> Buffers:
        """With a bfloat16 format, border 0."""
        if self.bf16 is None:
            self.bf16 = torch.zeros(*self.physical, self.total + self.total % 2, dtype=torch.bfloat16)
        return self

    def add_u8(self, scale: Number, zero: int) -> Buffers:
        """With a uint8 format of that scale and zero point, which fills the border."""
        if self.u8 is None:
            self.scale, self.zero = scale, zero
            self.u8 = torch.full((*self.physical, self.total + -self.total % 4), zero, dtype=torch.uint8)
        return self

    def part(self, start: int, stop: int) -> Buffers:
        """Channels start to stop - 1 of the same memory."""
        if not 0 <= start < stop <= self.channels:
            raise B2nnError(f"channels {start} to {stop} are not in a map of {self.channels}")
        return replace(self, start=self.start + start, channels=stop - start)

    def image(self, number: int) -> Buffers:
        """One image of the same memory."""
        one = slice(number, number + 1)
        held = {name: data[one] for name in ("float", "bf16", "u8") if (data := getattr(self, name)) is not None}
        return replace(self, images=1, bits=[replace(bits, data=bits.data[one]) for bits in self.bits], **held)

    def inside(self, format: Numbers = "float") -> Tensor:
        """(N, C, H, W) view of a format without its border, its memory order channels_last."""
        b = self.border
        data = self.held(format)
        data = data[:, b : b + self.height, b : b + self.width, self.start : self.start + self.channels]
        return data.permute(0, 3, 1, 2)

    def held(self, format: Numbers) -> Tensor:
        """A format's memory; `B2nnError` where the map lacks it."""
        data = getattr(self, format)
        if data is None:
            raise B2nnError(f"the map has no {format} format; add it first")
        return data

    def formats(self) -> list[Format]:
        """Those that were added."""
        return [name for name in FORMATS if getattr(self, name) not in (None, [])]

    def pixels(self, rows: NDArray[np.integer], columns: NDArray[np.integer]) -> NDArray[np.int64]:
        """(images, rows, columns) numbers of the physical pixels at rows and columns counted from the map's inside."""
        images, height, width = self.physical
        at = np.asarray(rows, np.int64)[:, None] + self.border
        return (np.arange(images)[:, None, None] * height + at) * width + np.asarray(columns, np.int64) + self.border

    def all_pixels(self) -> NDArray[np.int64]:
        """(images, height, width) numbers of the physical pixels inside."""
        return self.pixels(np.arange(self.height), np.arange(self.width))
