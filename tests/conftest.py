"""Fixtures shared by the whole suite."""

import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _one_thread_and_fixed_seed():
    """Tests run side by side on two cores: one torch thread each, and the same numbers every time."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real sequences (GOT-10k, LaSOT and OTB layouts).

    It is `shared/data` beside the checkout; B2TRACK_DATA overrides it. Tests are skipped where there is none.
    """
    folder = Path(os.environ.get("B2TRACK_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real sequences in {folder}; set B2TRACK_DATA to their folder")
    return folder
