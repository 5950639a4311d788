"""Attributes that benchmarks give whole sequences, such as OCC or LR, for `Sequence.attributes`.

Either the toolkit's own files, one a sequence with a 0 or 1 for each attribute, or ``attributes.csv`` in the dataset's
root: a header ``sequence,attributes`` and a line a sequence with its codes separated by spaces or commas.
"""

from __future__ import annotations

import csv
from pathlib import Path

from datasets.annotations import read_flags, read_names
from datasets.errors import DataError

# The order of the flags in each toolkit's files: perfPlot.m of OTB, run_tracker_performance_evaluation.m of LaSOT, the
# table of attributes that comes with UAV123.
OTB = ("IV", "OPR", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OV", "BC", "LR")
LASOT = ("IV", "POC", "DEF", "MB", "CM", "ROT", "BC", "VC", "SV", "FOC", "FM", "OV", "LR", "ARC")
UAV123 = ("SV", "ARC", "LR", "FM", "FOC", "POC", "OV", "BC", "IV", "VC", "CM", "SOB")


def read_attributes(root: Path, flags: Path | None = None, codes: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    """The attributes of each sequence, by its `key`; empty where there are no files.

    Args:
        root: of the dataset; its ``attributes.csv`` goes before the toolkit's files.
        flags: folder of the toolkit's files; None where the benchmark has none.
        codes: what their flags mean, in order.

    Raises:
        DataError: a malformed file; it is named with its line.
    """
    table = root / "attributes.csv"
    if table.is_file():
        return _read_table(table)
    if flags is None or not flags.is_dir():
        return {}
    return {key(path.stem): _read_flags(path, codes) for path in sorted(flags.glob("*.txt"))}


def key(name: str) -> str:
    """A sequence's name as all toolkits agree on it: one target of a folder is ``Jogging.1``, ``jogging-1``, ..."""
    return name.lower().replace("-", ".")


def _read_table(path: Path) -> dict[str, tuple[str, ...]]:
    rows = csv.reader(read_names(path))
    if next(rows, None) != ["sequence", "attributes"]:
        raise DataError(f"{path}, line 1: expected the header sequence,attributes")
    found = {}
    for row in rows:
        if len(row) < 2:
            raise DataError(f"{path}, line {rows.line_num}: expected sequence,attributes, found {','.join(row)!r}")
        found[key(row[0])] = tuple(" ".join(row[1:]).split())
    return found


def _read_flags(path: Path, codes: tuple[str, ...]) -> tuple[str, ...]:
    flags = read_flags(path)
    if len(flags) != len(codes):
        raise DataError(f"{path}: {len(flags)} flags; expected {len(codes)}, for {' '.join(codes)}")
    return tuple(code for code, flag in zip(codes, flags, strict=True) if flag)
