"""The sign function and the pseudo-gradients that stand in for its derivative, zero almost everywhere.

Forward is the same for all: +1 where x >= shift, else -1. So sign(0) = +1, and NaN, which is >= nothing,
    gives -1.
With d = x - shift the gradient that arrives is multiplied by the estimator's slope(d); x receives the
product, and the shift its negative, summed over what the shift was broadcast to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from b2nn.errors import B2nnError

Slope = Callable[[Tensor], Tensor]


def ste(d: Tensor) -> Tensor:
    """Clipped straight-through estimator, the derivative of clamp(d, -1, 1): slope(d) = 1 if |d| <= 1, else
    0.

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


ESTIMATORS: dict[str, Slope] = {"ste": ste, "bireal": bireal, "tanh": tanh}


def slope(estimator: str) -> Slope:
    """The slope function of an estimator by its name in `ESTIMATORS`; `B2nnError` for any other name."""
    if estimator not in ESTIMATORS:
        raise B2nnError(f"estimator {estimator!r} is unknown; choose one of {', '.join(ESTIMATORS)}")
    return ESTIMATORS[estimator]


def binary_sign(x: Tensor, shift: Tensor | float = 0.0, estimator: str = "bireal") -> Tensor:
    """+1 where x >= shift, else -1, in the dtype of `x`.

    Args:
        x: any shape, floating point.
        shift: broadcastable to `x`; receives a gradient if it is a tensor that asks for one.
        estimator: name of the pseudo-gradient.
    """
    return _Sign.apply(x, torch.as_tensor(shift, dtype=x.dtype, device=x.device), slope(estimator))


def weight_sign(weight: Tensor) -> Tensor:
    """Sign of latent weights with the clipped straight-through gradient."""
    return binary_sign(weight, estimator="ste")


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, shift: Tensor, slope: Slope) -> Tensor:
        ctx.save_for_backward(x, shift)
        ctx.slope = slope
        # A comparison, not the sign of a difference: that is what a packed kernel does, and it cannot
        # underflow.
        return torch.where(x >= shift, x.new_ones(()), x.new_full((), -1.0))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, shift = ctx.saved_tensors
        grad = grads[0] * ctx.slope(x - shift)
        return grad, -grad.sum_to_size(shift.shape) if ctx.needs_input_grad[1] else None, None
