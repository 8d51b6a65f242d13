"""Fixtures that several test modules share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the development data sets, or a skip that says how to name it."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SKDAE_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}: set SKDAE_DATA to one")
    return folder
