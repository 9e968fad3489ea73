"""One suite over every database that a ledger may be kept in: SQLite in a file, and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ledger import made
from support.postgres import Postgres

from cci.daemon.ledger import Ledger, TaskEntry, open_ledger


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    opened = open_ledger(url, who="test")
    yield opened
    opened.close()


@pytest.fixture
def task(ledger: Ledger) -> TaskEntry:
    """A task that could start."""
    return made(ledger)
