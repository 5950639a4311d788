"""How long each layer of a network takes on this machine, in full precision and in 1 bit.

Full precision is torch's float32, or a lower precision of packed networks if the layers will run in that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from b2nn.cost import CostTable
from b2nn.errors import B2nnError
from b2nn.metrics import Seconds
from b2nn.packed import PackedNetwork, pack
from b2nn.packed.layout import binary_weights, output_size
from b2nn.packed.library import library, missing
from b2nn.packed.native import Buffers, Epilogue, conv
from b2nn.packed.step import Steps
from b2nn.step_times import step_times
from b2nn.units import Unit, find_units

ROUNDS = 15
FLOAT32 = "float32"


def measure_layers(model: nn.Module, table: CostTable, inputs: Sequence[Any], fp_precision: str = FLOAT32
                   ) -> tuple[dict[str, Seconds], float]:
    """Seconds of every layer, all its calls in one pass together, and of the whole pass in full precision.

    Each is the least of `ROUNDS` runs: whatever else the machine does only adds.

    Args:
        table: costs of `model`, every layer whole.
        inputs: of one pass, on the CPU.
        fp_precision: what full precision is deployed in, one of `b2nn.packed.precision.FP_PRECISIONS`.

    Raises:
        B2nnError: there are no compiled kernels to measure bits with, or an eligible layer is none they have.
    """
    if library() is None:
        raise B2nnError(f"latency in 1 bit cannot be measured: {missing()}")
    units = {unit.name: unit for unit in find_units(model)}
    calls = _inputs({name: units[name] for name in (unit.name for unit in table.units)}, lambda: model(*inputs))
    seconds = {}
    for unit in table.units:
        full = sum(measure(module, shape, binary=False, fp_precision=fp_precision)
                   for module, shape in calls[unit.name])
        binary = sum(measure(module, shape, binary=True) for module, shape in calls[unit.name])
        seconds[unit.name] = Seconds(full, binary if unit.eligible else None)
    deployed = model if fp_precision == FLOAT32 else _deployed(model, inputs, fp_precision)
    # A longer run is disturbed more often.
    return seconds, least_seconds(lambda: deployed(*inputs), 6 * ROUNDS)


def _deployed(model: nn.Module, inputs: Sequence[Any], fp_precision: str) -> PackedNetwork:
    """Packed; ranges of int8 do not matter for its time."""
    return pack(model, fp_precision=fp_precision, calibration=[tuple(inputs)] * 2)


def measure(layer: nn.Module, shape: tuple[int, ...], binary: bool, fp_precision: str = FLOAT32) -> float:
    """Seconds of a conv or linear layer on an input of that shape: floats in and out, or bits in and floats out.

    In a packed network the layer before emits bits along with its floats, so packing is not in it, nor is rounding.
    """
    conv_form, image = _as_conv(layer, shape)
    if not binary:
        module = layer.eval()
        x = torch.randn(shape)
        x = x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
        if fp_precision != FLOAT32:
            program = _deployed(nn.Sequential(module), (x,), fp_precision).programs["forward"]
            return sum(step_times(program, (x,), ROUNDS, min).convs.values())
        with torch.inference_mode():
            return least_seconds(lambda: module(x))
    return least_seconds(_packed(conv_form, image))


def least_seconds(run: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """The shortest of `rounds` calls, after one that does not count."""
    run()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def _inputs(units: dict[str, Unit], forward: Callable[[], Any]) -> dict[str, list[tuple[nn.Module, tuple[int, ...]]]]:
    """Module and input shape of every call of each layer."""
    calls: dict[str, list[tuple[nn.Module, tuple[int, ...]]]] = {name: [] for name in units}
    hooks = []
    for name, unit in units.items():
        for module in unit.modules:
            hooks.append(module.register_forward_pre_hook(
                lambda module, args, name=name: calls[name].append((module, tuple(args[0].shape)))))
    try:
        with torch.inference_mode():
            forward()
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _as_conv(layer: Any, shape: tuple[int, ...]) -> tuple[dict[str, Any], Tensor]:
    """Weight, stride, padding, dilation and groups, and an input (N, C, H, W); a linear layer is a 1x1 conv."""
    if isinstance(layer, nn.Linear):
        image = torch.zeros(1, shape[-1], max(1, torch.Size(shape[:-1]).numel()), 1)
        return dict(weight=layer.weight.detach()[:, :, None, None], stride=(1, 1), padding=(0, 0), dilation=(1, 1),
                    groups=1), image
    if isinstance(layer.padding, str):
        raise B2nnError(f"padding {layer.padding!r} cannot be measured in 1 bit; give numbers")
    return dict(weight=layer.weight.detach(), stride=layer.stride, padding=layer.padding, dilation=layer.dilation,
                groups=layer.groups), torch.zeros(shape)


def _packed(form: dict[str, Any], image: Tensor) -> Callable[[], None]:
    """The layer in 1 bit, ready to run."""
    found = library()
    assert found is not None
    weight, groups = form["weight"].float(), form["groups"]
    stride, padding, dilation = form["stride"], form["padding"], form["dilation"]
    (batch, channels, height, width), (outputs, _, *kernel) = image.shape, weight.shape
    rows, columns = (output_size(side, kernel[axis], stride[axis], padding[axis], dilation[axis])
                     for axis, side in enumerate((height, width)))
    source = Buffers(batch, channels, height, width, border=max(padding))
    dest = Buffers(batch, outputs, rows, columns)
    source.add_bits(torch.zeros(channels), groups)
    dest.add_float()
    steps = Steps(found, conv(source, dest, binary_weights(~(weight >= 0), groups, found.level), stride=stride,
                              padding=padding, dilation=dilation, epilogue=Epilogue(torch.rand(outputs))))
    return lambda: steps(torch.get_num_threads())
