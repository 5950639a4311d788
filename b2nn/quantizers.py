"""The sign function and the pseudo-gradients that stand in for its derivative, zero almost everywhere.

Forward is the same for all: +1 where x >= shift, else -1. So sign(0) = +1, and NaN, which is >= nothing, gives -1.
With d = (x - shift) / width, width 1 unless said otherwise, the gradient that arrives is multiplied by the estimator's
slope(d) / width; x receives the product, the shift its negative, and the width d times its negative, each summed over
what it was broadcast to.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from b2nn.errors import B2nnError

Slope = Callable[[Tensor], Tensor]


def ste(d: Tensor) -> Tensor:
    """Clipped straight-through estimator, the derivative of clamp(d, -1, 1): slope(d) = 1 if |d| <= 1, else 0.

    BinaryConnect / BNN, arXiv 1602.02830.
    """
    return (d.abs() <= 1).to(d.dtype)


def bireal(d: Tensor) -> Tensor:
    """Derivative of Bi-Real Net's piecewise polynomial: slope(d) = 2 - 2 |d| if |d| <= 1, else 0.

    Closer to the sign than a clamp, and of the same area 2. arXiv 1808.00278.
    """
    return (2 - 2 * d.abs()).clamp(min=0)


def tanh(d: Tensor) -> Tensor:
    """Derivative of tanh: slope(d) = 1 - tanh(d)², which is zero nowhere, so that no unit dies.

    The estimator of IR-Net, arXiv 1909.10788, at its temperature 1.
    """
    return 1 - d.tanh().square()


def ede(d: Tensor, progress: float = 1.0) -> Tensor:
    """Derivative of k tanh(t d): slope(d) = k t (1 - tanh²(t d)), t = 10^(2 progress - 1) and k = max(1, 1/t).

    IR-Net's error decay estimator, arXiv 1909.10788: the identity's slope at the start of training (t = 0.1), so that
    all weights move, and nearly the sign's own at its end (t = 10).

    Args:
        progress: share of training that is done, 0 to 1.
    """
    t = 10 ** (2 * progress - 1)
    return max(t, 1.0) * (1 - (t * d).tanh().square())


ESTIMATORS: dict[str, Slope] = {"ste": ste, "bireal": bireal, "tanh": tanh, "ede": ede}


def slope(estimator: str, progress: float = 1.0) -> Slope:
    """The slope function of an estimator by its name in `ESTIMATORS`, at a share `progress` of training.

    Raises:
        B2nnError: any other name.
    """
    if estimator not in ESTIMATORS:
        raise B2nnError(f"estimator {estimator!r} is unknown; choose one of {', '.join(ESTIMATORS)}")
    return partial(ede, progress=progress) if estimator == "ede" else ESTIMATORS[estimator]


def binary_sign(x: Tensor, shift: Tensor | float = 0.0, estimator: str = "bireal", progress: float = 1.0,
                width: Tensor | None = None) -> Tensor:
    """+1 where x >= shift, else -1, in the dtype of `x`.

    Args:
        x: any shape, floating point.
        shift: broadcastable to `x`; receives a gradient if it is a tensor that asks for one.
        estimator: name of the pseudo-gradient.
        progress: share of training that is done, which only `ede` looks at.
        width: positive, broadcastable to `x`: the unit in which the estimator measures x - shift. It changes gradients
            only, and receives one.
    """
    shift = torch.as_tensor(shift, dtype=x.dtype, device=x.device)
    return _Sign.apply(x, shift, None if width is None else width.to(x.dtype), slope(estimator, progress))


def two_values(x: Tensor, centre: Tensor, distance: Tensor, estimator: str, progress: float = 1.0) -> Tensor:
    """centre + distance where x >= centre, else centre - distance: AdaBin's binary set, arXiv 2208.08084.

    The gradient is that of centre + distance · sign((x - centre) / distance), with the estimator's slope for the sign's
    derivative. So x receives slope(d), the centre 1 - slope(d), the distance sign - d · slope(d).

    Args:
        x: any shape, floating point.
        centre: broadcastable to `x`.
        distance: positive, broadcastable to `x`.
    """
    signs = binary_sign(x, centre, estimator, progress, distance)
    return distance.to(x.dtype) * signs + centre.to(x.dtype)


def weight_sign(weight: Tensor) -> Tensor:
    """Sign of latent weights with the clipped straight-through gradient."""
    return binary_sign(weight, estimator="ste")


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, shift: Tensor, width: Tensor | None, slope: Slope) -> Tensor:
        ctx.save_for_backward(x, shift, width)
        ctx.slope = slope
        # A comparison, not the sign of a difference: that is what a packed kernel does, and it cannot underflow.
        return torch.where(x >= shift, x.new_ones(()), x.new_full((), -1.0))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, shift, width = ctx.saved_tensors
        d = x - shift if width is None else (x - shift) / width
        grad = grads[0] * ctx.slope(d)
        if width is not None:
            grad = grad / width
        to_shift = -grad.sum_to_size(shift.shape) if ctx.needs_input_grad[1] else None
        to_width = -(grad * d).sum_to_size(width.shape) if ctx.needs_input_grad[2] else None
        return grad, to_shift, to_width, None
