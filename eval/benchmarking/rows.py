"""What was measured, as rows for tables and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eval.benchmarking.contestants import Contestant

Row = dict[str, Any]
PARTS = ("network", "update")


def make_rows(contestants: Sequence[Contestant], samples: Mapping[tuple[int, str], Sequence[float]],
              threads: int) -> list[Row]:
    """One row a contestant; none if not a single round was finished.

    A row has ``contestant, budget, fp_precision, threads``, for each of `PARTS` ``<part>_ms`` and ``<part>_ratio``, and
    under these keys with ``_quartiles`` behind them the first and the third quartile over rounds. A ratio is the time
    over that of the first contestant in the same round.

    Args:
        samples: seconds by place of the contestant and part, one figure a round.
    """
    if not samples or not all(samples.values()):
        return []
    rows = []
    for place, contestant in enumerate(contestants):
        row: Row = {"contestant": contestant.name, "budget": contestant.budget,
                    "fp_precision": contestant.fp_precision, "threads": threads}
        quartiles: Row = {}
        for kind in ("ms", "ratio"):
            for part in PARTS:
                own, first = np.array(samples[place, part]), np.array(samples[0, part])
                low, middle, high = np.quantile(own * 1e3 if kind == "ms" else own / first, [0.25, 0.5, 0.75]).tolist()
                row[f"{part}_{kind}"] = middle
                quartiles[f"{part}_{kind}_quartiles"] = [low, high]
        rows.append(row | quartiles)
    return rows
