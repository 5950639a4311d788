"""The `--device` option of the commands that run a tracker."""

from __future__ import annotations

from tracker.errors import TrackerError


def require_device(name: str) -> None:
    """Check that torch can compute on `name` (cpu, cuda, cuda:1, ...).

    Raises:
        TrackerError: unknown, or not there.
    """
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise TrackerError(f"--device {name}: not usable here ({reason}); try --device cpu") from error
