"""How much faster than torch's float32 a layer is, in each precision: `python -m b2nn.packed.benchmark [--level avx2]`.

Contestants take turns within each round, so that a busy machine slows all of them; a ratio is the median over rounds
of torch's time over the contestant's, with quartiles. On one thread the thread's own CPU time is taken, which leaves
out what other processes took. Batch 1; torch runs oneDNN on channels_last; at level avx2 oneDNN is held to AVX2 too.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from b2nn.packed.layout import (
    BYTEWISE,
    bf16_weights,
    binary_weights,
    depthwise_weights,
    float_weights,
    int8_weights,
    output_size,
)
from b2nn.packed.library import LEVELS, Library, library
from b2nn.packed.native import Buffers, Epilogue, conv, elementwise
from b2nn.packed.step import Steps


@dataclass(frozen=True)
class Layer:
    """A square conv: input and output channels, input side, kernel and stride; padded to keep the side."""

    inputs: int
    outputs: int
    side: int
    kernel: int = 3
    stride: int = 1
    groups: int = 1

    def __str__(self) -> str:
        kind = "depthwise" if self.groups == self.inputs else f"{self.kernel}x{self.kernel}"
        return f"{self.inputs}->{self.outputs} {kind} s{self.stride} @{self.side}"


LAYERS = (
    Layer(64, 64, 63), Layer(128, 128, 32), Layer(256, 256, 32), Layer(256, 256, 16), Layer(256, 256, 25),
    Layer(64, 128, 63, stride=2), Layer(128, 256, 32, stride=2), Layer(128, 256, 32, 1), Layer(256, 256, 32, 1),
    Layer(32, 32, 63), Layer(96, 96, 25), Layer(32, 32, 32), Layer(64, 64, 32), Layer(128, 128, 16),
    Layer(256, 256, 16, 1), Layer(256, 256, 16, groups=256),
)  # fmt: skip


def contestants(layer: Layer, found: Library, threads: int) -> dict[str, Callable[[], object]]:
    """The layer in torch's float32 first, then in every other form, each ready to be called."""
    padding, w = layer.kernel // 2, torch.randn(layer.outputs, layer.inputs // layer.groups, *[layer.kernel] * 2)
    image = torch.randn(1, layer.inputs, layer.side, layer.side).to(memory_format=torch.channels_last)
    last = w.to(memory_format=torch.channels_last)
    calls: dict[str, Callable[[], object]] = {
        "torch float32": lambda: F.conv2d(image, last, None, layer.stride, padding, 1, layer.groups)}
    side = output_size(layer.side, layer.kernel, layer.stride, padding, 1)
    alpha, shift = torch.rand(layer.outputs), torch.zeros(layer.outputs)
    scale = Epilogue(alpha=alpha, beta=shift)

    def source() -> Buffers:
        x = Buffers(1, layer.inputs, layer.side, layer.side, padding).add_float()
        x.inside()[:] = image
        return x

    def target() -> Buffers:
        return Buffers(1, layer.outputs, side, side, padding).add_float()

    def steps(x: Buffers, y: Buffers, weights, epilogue: Epilogue = scale, first=()) -> Callable[[], object]:
        whole = conv(x, y, weights, stride=(layer.stride,) * 2, padding=(padding,) * 2, epilogue=epilogue)
        run = Steps(found, [*first, *whole])
        return lambda: run(threads)

    if layer.groups > 1:
        return calls | {"float32": steps(source(), target(), depthwise_weights(w))}
    calls["float32"] = steps(source(), target(), float_weights(w, 1))
    x = source().add_bf16()
    x.inside("bf16")[:] = image
    if "bf16" in found.fast:
        calls["bf16"] = steps(x, target(), bf16_weights(w, 1))
    x = source().add_u8(0.03, 128)
    x.u8.random_(0, 256)  # type: ignore[union-attr]
    if "int8" in found.fast:
        calls["int8"] = steps(x, target(), int8_weights((w * 40).clamp(-127, 127).to(torch.int8), 1))
    bits = binary_weights(w < 0, 1, found.level)
    x = source()
    x.add_bits(torch.zeros(layer.inputs))
    pack = elementwise(x, x)
    Steps(found, pack)(1)
    calls["bits to float"] = steps(x, target(), bits)
    calls["float to float"] = steps(x, target(), bits, first=pack)
    y, shortcut = target(), target()
    y.add_bits(shift)
    calls["bits to both + shortcut"] = steps(x, y, bits, Epilogue(alpha=alpha, beta=shift, shortcut=shortcut))
    return calls


def measure(calls: dict[str, Callable[[], object]], rounds: int, threads: int) -> dict[str, np.ndarray]:
    """Seconds of one call, for each contestant one figure a round; all take turns in a round."""
    clock = time.thread_time if threads == 1 else time.perf_counter
    repeats, seconds = {}, {name: np.zeros(rounds) for name in calls}
    for name, call in calls.items():
        call()
        start = clock()
        call()
        repeats[name] = max(1, round(1e-3 / max(clock() - start, 1e-6)))
    for number in range(rounds):
        for name, call in calls.items():
            start = clock()
            for _ in range(repeats[name]):
                call()
            seconds[name][number] = (clock() - start) / repeats[name]
    return seconds


def main() -> None:
    """Print a line for each layer and precision."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--level", choices=LEVELS, help="of the kernels; the CPU's best if not given")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--layers", default="", help="only layers whose name contains this")
    args = parser.parse_args()
    if args.level in BYTEWISE:
        os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"  # read at the first conv
    if args.level:
        os.environ["B2NN_KERNEL"] = args.level
    found = library()
    if found is None:
        parser.error("the compiled kernels are missing")
    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    print(f"level {found.level}, {args.threads} threads, {args.rounds} rounds; torch's time / the kernel's, quartiles")
    for layer in LAYERS:
        if args.layers not in str(layer):
            continue
        seconds = measure(contestants(layer, found, args.threads), args.rounds, args.threads)
        base = seconds["torch float32"]
        print(f"{layer}: torch float32 {1e6 * np.median(base):.0f} us")
        for name, own in list(seconds.items())[1:]:
            low, middle, high = np.quantile(base / own, [0.25, 0.5, 0.75])
            print(f"    {name:24} {1e6 * np.median(own):7.1f} us  {middle:5.2f}x ({low:.2f} to {high:.2f})", flush=True)


if __name__ == "__main__":
    main()
