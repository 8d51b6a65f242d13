"""Fixtures that several test modules share."""

import os
from collections import Counter
from pathlib import Path

import pytest

from skdae._table.encoder import TableEncoder
from skdae._table.schema import Schema


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the development data sets, or a skip that says how to name it."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SKDAE_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}: set SKDAE_DATA to one")
    return folder


@pytest.fixture
def table_calls(monkeypatch) -> Counter:
    """Counts tables that are read and blocks that are encoded, until it is cleared.

    ``table_calls["read"]`` counts the reads of users' tables (those that learn a schema
    too), ``table_calls["encode"]`` the calls of `TableEncoder.encode`.
    """
    calls: Counter = Counter()
    read, encode = Schema.read, TableEncoder.encode
    fit = Schema.fit.__func__

    def counted_fit(cls, *args, **kwargs):
        calls["read"] += 1
        return fit(cls, *args, **kwargs)

    def counted_read(self, *args):
        calls["read"] += 1
        return read(self, *args)

    def counted_encode(self, raw):
        calls["encode"] += 1
        return encode(self, raw)

    monkeypatch.setattr(Schema, "fit", classmethod(counted_fit))
    monkeypatch.setattr(Schema, "read", counted_read)
    monkeypatch.setattr(TableEncoder, "encode", counted_encode)
    return calls
