"""Numbers and findings in words, as papers write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from eval.reporting.statistics import Comparison

UNKNOWN = "–"


def verdict(pair: tuple[str, str], found: Comparison, p: float) -> str:
    """What a comparison says, in words, at the 5 % level; `p` is its p-value corrected for the number of pairs."""
    better = pair[0] if found.difference.value > 0 else pair[1]
    if p <= 0.05:
        return f"{better} is better"
    if found.p <= 0.05:
        return f"{better} looks better, but not after correction for all pairs"
    return f"cannot be told apart with {counted(found.sequences, 'sequence')}"


def machine(row: Mapping[str, Any]) -> str:
    """What a row's speed was measured on."""
    threads = row.get("threads")
    return f"{row.get('device') or UNKNOWN}, {UNKNOWN if threads is None else counted(threads, 'thread')}"


def counted(number: int, noun: str) -> str:
    """1 sequence, 8 sequences."""
    return f"{number} {noun}{'s' * (number != 1)}"


def score(value: float | None) -> str:
    """A fraction to three places: .570, 1.000."""
    if value is None or math.isnan(value):
        return UNKNOWN
    text = f"{value:.3f}"
    return text[1:] if text.startswith("0.") else text


def signed(value: float) -> str:
    """A difference of fractions to three places, with its sign: +.013, −.020."""
    if math.isnan(value):
        return UNKNOWN
    sign = "" if f"{abs(value):.3f}" == "0.000" else "+" if value > 0 else "−"
    return sign + score(abs(value))


def probability(p: float) -> str:
    """A p-value to three places: .008, < .001, 1."""
    return "< .001" if p < 0.0005 else "1" if p > 0.9995 else score(p)
