"""Checks of options."""

from __future__ import annotations

from typing import Any

from b2nn.errors import B2nnError


def require(options: Any, allowed: str, **valid: bool) -> None:
    """`B2nnError` for the first field of `options` that is not valid; the message begins with its name."""
    for name, fine in valid.items():
        if not fine:
            raise B2nnError(f"{name} is {getattr(options, name)!r}; it must be {allowed}")
