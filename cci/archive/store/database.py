"""The connection to the store: transactions, whatever database it is. No statements of its own.

Readers see one state of the store and never wait; writers take turns. How a transaction begins, and how the
tables come to be, is said in `sqlite` and `postgresql`.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

__all__ = ["SCHEMA_VERSION", "Connection", "Database"]

#: Raised when the tables change, with a step for each database in `schema`; a store of a newer archive is
#: refused, not misread.
SCHEMA_VERSION = 2


class _Shared(threading.local):
    """The connection that all writes of one thread share, if they do."""

    connection: Connection | None = None


class Database(ABC):
    """A database that holds the tables of a store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writers = threading.Lock()
        self._shared = _Shared()

    @abstractmethod
    def connect(self) -> Connection:
        """Open a reader for a caller who closes it itself (a listing that is being streamed)."""

    @abstractmethod
    def _begin_write(self, connection: Connection) -> None:
        """Begin a transaction that no other writer is in."""

    def _commit(self, connection: Connection) -> None:
        """Commit, or raise; never say nothing where there is no transaction any more."""
        connection.commit()

    @contextmanager
    def _savepoint(self, connection: Connection) -> Iterator[None]:
        """Roll back what is written within, and nothing before it, on an exception."""
        with connection.begin_nested():
            yield

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Lend a connection that sees one state of the store from its first statement on.

        Within `together` it sees what was written there.
        """
        if self._shared.connection is not None:
            yield self._shared.connection
            return
        with self.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Lend a transaction that is committed at the end, and rolled back on an exception."""
        if self._shared.connection is not None:
            with self._savepoint(self._shared.connection):
                yield self._shared.connection
            return
        with self._writers, self._engine.connect() as connection:
            self._begin_write(connection)
            yield connection
            self._commit(connection)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of all that this thread writes, committed at the end.

        Each `part` and each `write` within is rolled back by itself on an exception; none is durable before
        the end.
        """
        with self.write() as connection:
            self._shared.connection = connection
            try:
                yield
            finally:
                self._shared.connection = None

    @contextmanager
    def part(self) -> Iterator[None]:
        """Keep what fails in a part of `together` from the others."""
        assert self._shared.connection is not None
        with self._savepoint(self._shared.connection):
            yield

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
