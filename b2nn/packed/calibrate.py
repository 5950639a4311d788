"""Ranges of 8-bit maps, measured on typical inputs and chosen by the error they cause."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from b2nn.errors import B2nnError
from b2nn.packed import reference
from b2nn.packed.network import PackedNetwork
from b2nn.packed.precision import Range, narrows, to_int8, u8
from b2nn.packed.program import Program

Key = tuple[str, str]  # method and value
Forward = Callable[[PackedNetwork, Any], Any]

_SAMPLES = 4096  # of a map in one call, spread evenly over it
_HELD_OUT = 4  # every fourth input judges; the others are measured


def calibrated(programs: Mapping[str, Program], inputs: Sequence[Any], forward: Forward) -> Mapping[str, Program]:
    """The programs in int8, with those ranges that change the outputs of held-out inputs least.

    Ranges are the whole of what was seen (min-max), all but 0.01 % or 0.1 % of it (percentiles), or what rounding and
    clipping together harm least (least squares), map by map.

    Args:
        inputs: whatever `forward` takes; at least 2.
        forward: runs the network on one of them, and returns what counts: tensors, however nested.

    Raises:
        B2nnError: too few inputs, or outputs without a tensor.
    """
    if len(inputs) < 2:
        raise B2nnError(f"calibration has {len(inputs)} inputs; int8 needs at least 2, and some dozens are better")
    if isinstance(inputs, Tensor) or any(isinstance(item, Tensor) for item in inputs):
        raise B2nnError("calibration is of tensors; each input is a tuple of the arguments of forward: [(x,), ...]")
    held_out = list(inputs[::_HELD_OUT])
    seen = observed(programs, [item for number, item in enumerate(inputs) if number % _HELD_OUT], forward)
    exact = PackedNetwork(programs)
    wanted = [_tensors(_outputs(forward, exact, item)) for item in held_out]

    def error(candidate: Mapping[str, Program]) -> float:
        network = PackedNetwork(candidate)
        return sum(_distance(_tensors(forward(network, item)), truth)
                   for item, truth in zip(held_out, wanted, strict=True))

    candidates = [to_int8(programs, {key: choose(values) for key, values in seen.items()})
                  for choose in (_minmax, _percentile(1e-4), _percentile(1e-3), _least_squares)]
    return min(candidates, key=error)


def observed(programs: Mapping[str, Program], inputs: Sequence[Any], forward: Forward) -> dict[Key, Tensor]:
    """Samples of every map that a conv of lower precision would read, the least and the greatest value among them."""
    samples: dict[Key, list[Tensor]] = defaultdict(list)

    class Observing(PackedNetwork):
        def run(self, method: str, *args: Any, **kwargs: Any) -> Any:
            args = self.arguments(method, args, kwargs)
            read = {step.source for step in filter(narrows, self.programs[method].steps)}

            def on_step(step: Any, values: dict[str, Any]) -> None:
                if narrows(step) and step.source in read:
                    read.remove(step.source)
                    samples[method, step.source].append(_sampled(values[step.source]))

            with torch.inference_mode():
                return reference.run(self.programs[method], args, on_step)

    network = Observing(programs)
    for item in inputs:
        _outputs(forward, network, item)
    return {key: torch.cat(parts) for key, parts in samples.items()}


def _outputs(forward: Forward, network: PackedNetwork, item: Any) -> Any:
    try:
        return forward(network, item)
    except Exception as error:  # whatever the caller's forward makes of it
        shapes = [tuple(leaf.shape) for leaf in tree_leaves(item) if isinstance(leaf, Tensor)]
        line = next(iter(str(error).splitlines()), type(error).__name__)
        raise B2nnError(f"the calibration's forward fails on an input of shapes {shapes}: {line}") from error


def _sampled(x: Tensor) -> Tensor:
    flat = x.flatten().float()
    finite = flat[flat.isfinite()]
    flat = finite if len(finite) else torch.zeros(1)
    places = torch.linspace(0, len(flat) - 1, min(_SAMPLES, len(flat))).long()
    return torch.cat([flat[places], torch.stack([flat.min(), flat.max()])])


def _minmax(values: Tensor) -> Range:
    return Range(float(values.min()), float(values.max()))


def _percentile(share: float) -> Callable[[Tensor], Range]:
    def choose(values: Tensor) -> Range:
        ordered = values.sort().values
        left_out = int(share * len(ordered) / 2 + 0.5)
        return Range(float(ordered[left_out]), float(ordered[-1 - left_out]))
    return choose


def _least_squares(values: Tensor) -> Range:
    whole = _minmax(values)
    spans = [Range(whole.low * low, whole.high * high)
             for low in (1.0, 0.85, 0.7, 0.55, 0.4) for high in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)]

    def loss(span: Range) -> float:
        scale, zero = u8(span)
        rounded = ((values / scale).round() + zero).clamp(0, 255).sub(zero) * scale
        return float((rounded - values).square().mean())

    return min(spans, key=loss)


def _tensors(outputs: Any) -> list[Tensor]:
    tensors = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor)]
    if not tensors:
        raise B2nnError("the calibration's forward returned no tensor; return the network's outputs")
    return tensors


def _distance(outputs: list[Tensor], truth: list[Tensor]) -> float:
    """Relative squared error, the mean over the outputs."""
    errors = [(own.float() - other.float()).square().sum() / other.float().square().sum().clamp(min=1e-12)
              for own, other in zip(outputs, truth, strict=True)]
    return float(torch.stack(errors).mean())
