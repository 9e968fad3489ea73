"""A store's tables in one SQLite file in WAL mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

from cci.archive.store.database import SCHEMA_VERSION, Database
from cci.archive.store.schema import METADATA, TRIGGERS, steps_from
from cci.errors import UsageError

#: Name of the file, below the archive's folder.
FILE = "archive.db"


class SqliteDatabase(Database):
    """One SQLite file.

    Parameters
    ----------
    path
        The database file; made if it does not exist.
    prepare
        False to look only: nothing is made, nothing is brought up to date.

    Raises
    ------
    UsageError
        The file was made by a newer version of the archive; without *prepare* also: by an older one, or it
        does not exist.
    """

    def __init__(self, path: Path, *, prepare: bool = True) -> None:
        if not prepare and not path.exists():
            raise UsageError(f"there is no archive in {path.parent}")
        super().__init__(_engine(path))
        try:
            (self._prepare if prepare else self._refuse_other_version)(path)
        except BaseException:
            self.close()
            raise

    def connect(self) -> Connection:
        """Open a reader for a caller who closes it itself (a listing that is being streamed)."""
        connection = self._engine.connect()
        _say(connection, "BEGIN")
        return connection

    def _begin_write(self, connection: Connection) -> None:
        _say(connection, "BEGIN IMMEDIATE")

    def _commit(self, connection: Connection) -> None:
        # the driver's own is silent where SQLite has given the transaction up, as it does on a full disk
        _say(connection, "COMMIT")
        connection.commit()

    @contextmanager
    def _savepoint(self, connection: Connection) -> Iterator[None]:
        _say(connection, "SAVEPOINT part")
        try:
            yield
        except BaseException:
            _say(connection, "ROLLBACK TO part")
            raise
        finally:
            _say(connection, "RELEASE part")

    @contextmanager
    def part(self) -> Iterator[None]:
        """Keep what fails in a part of `together` from the others: a failed read does them no harm here."""
        yield

    def _prepare(self, path: Path) -> None:
        with self.write() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version == SCHEMA_VERSION:
                return
            if version > SCHEMA_VERSION:
                raise UsageError(
                    f"{path} has schema version {version}, this archive needs {SCHEMA_VERSION}",
                    hint="start the archive on another --root, or with the version that made this one",
                )
            _bring_up_to_date(connection, version)

    def _refuse_other_version(self, path: Path) -> None:
        with self.read() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version != SCHEMA_VERSION:
            raise UsageError(
                f"{path} has schema version {version}, this archive needs {SCHEMA_VERSION}",
                hint="serve the archive once with this version: that brings it up to date",
            )


def _say(connection: Connection, word: str) -> None:
    # past SQLAlchemy, which takes as long for it as for a whole statement
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute(word)


def _bring_up_to_date(connection: Connection, version: int) -> None:
    # one transaction with the caller's: after a crash in between it is the old version still
    for step in steps_from(version, SCHEMA_VERSION, "sqlite") if version else ():
        connection.exec_driver_sql(step)
    METADATA.create_all(connection)
    for trigger in TRIGGERS["sqlite"]:
        connection.exec_driver_sql(trigger)
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        # as many readers as there are worker threads; a streamed listing keeps its connection
        pool_size=16,
        max_overflow=64,
        connect_args={"check_same_thread": False, "timeout": 60},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # we say BEGIN ourselves: the driver's implicit one is deferred, and a writer must not be
        connection.isolation_level = None
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "cache_size = -65536",
            "mmap_size = 268435456",
            "temp_store = MEMORY",
            "case_sensitive_like = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine
