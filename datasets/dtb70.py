"""DTB70 folders as they come from the site (Li and Yeung, AAAI 2017).

The form is OTB's: ``root/SEQ/img/00001.jpg`` ..., ``groundtruth_rect.txt`` (1-based ``x,y,w,h``), a row a frame.
"""

from __future__ import annotations

from pathlib import Path

from datasets.attributes import read_attributes
from datasets.otb import load_folder
from datasets.sequence import Sequence


def load(root: str | Path) -> list[Sequence]:
    """Read every sequence, sorted by name; attributes from ``root/attributes.csv`` where there is one.

    Raises:
        DataError: missing folder or file, malformed row, rows that do not match the frames.
    """
    return load_folder(Path(root), "dtb70", read_attributes(Path(root)))
