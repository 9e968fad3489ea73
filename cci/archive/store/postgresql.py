"""A store's tables in a PostgreSQL database that belongs to this archive alone.

One server at a time: it holds an advisory lock on a connection of its own for as long as it lives. Each start
also leaves a token in the table ``archive``, which every writer looks for and locks first: so writers take
turns, and a server that lost its lock unawares (the connection broke) cannot write after another one began.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    NullPool,
    Table,
    Text,
    bindparam,
    create_engine,
    event,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from cci.archive.errors import BadRequest
from cci.archive.store.database import SCHEMA_VERSION, Database
from cci.archive.store.schema import METADATA, TRIGGERS, steps_from
from cci.errors import CciError, UsageError

#: Of the advisory lock; any number that nobody else takes in this database.
_LOCK = 2205130366
_OWN = MetaData()
#: One row: which archive this is, of which version its tables are, and which server had it last.
_ARCHIVE = Table(
    "archive",
    _OWN,
    Column("id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("server", Text, nullable=False),
)
_MINE = select(_ARCHIVE.c.version).where(_ARCHIVE.c.server == bindparam("token")).with_for_update()
_SHOWN_NOWHERE = frozenset({"password", "sslpassword"})


class Displaced(CciError):
    """Another server has taken over the database of this archive; this one writes no more."""

    default_hint = "stop one of the two; they must not share a database"


def without_secrets(url: URL) -> URL:
    """Return an address that may be shown and kept: without passwords."""
    query = {name: value for name, value in url.query.items() if name not in _SHOWN_NOWHERE}
    # the driver is no business of whoever reads it
    return URL.create(
        "postgresql", username=url.username, host=url.host, port=url.port, database=url.database, query=query
    )


class PostgresDatabase(Database):
    """The tables in a PostgreSQL database.

    Parameters
    ----------
    url
        Its address.
    identity
        Of the archive whose files lie in the folder that is served.
    new
        Whether the tables may be made: the folder holds no files yet.
    prepare
        False to look only, while a server may work: nothing is made, nothing is locked.

    Raises
    ------
    UsageError
        The database cannot be opened, is in use, belongs to another archive or holds something else, or was
        made by another version.
    """

    def __init__(self, url: URL, identity: str, *, new: bool = False, prepare: bool = True) -> None:
        self._shown = without_secrets(url).render_as_string()
        self._token = secrets.token_hex(16)
        url = url.set(drivername="postgresql+psycopg")
        with _in_plain_words(self._shown):
            super().__init__(_engine(url))
            self._guard = _Guard(url, self._shown)
            try:
                self._open(identity, new=new and prepare, prepare=prepare)
            except BaseException:
                self.close()
                raise

    def connect(self) -> Connection:
        """Open a reader for a caller who closes it itself (a listing that is being streamed)."""
        return self._engine.connect().execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    def _begin_write(self, connection: Connection) -> None:
        if connection.execute(_MINE, {"token": self._token}).first() is None:
            raise Displaced

    def close(self) -> None:
        """Close all connections, and give the lock back."""
        super().close()
        self._guard.release()

    def _open(self, identity: str, *, new: bool, prepare: bool) -> None:
        if prepare:
            self._guard.hold()
            # a new connection may mean that the database was away, and with it our lock
            event.listen(self._engine, "connect", self._guard.hold)
        with self._engine.begin() as connection:
            version = self._find(connection, identity, new=new)
            if prepare and version < SCHEMA_VERSION:
                _bring_up_to_date(connection, version)
            elif version != SCHEMA_VERSION:
                self._refuse_version(version)
            if prepare:
                connection.execute(update(_ARCHIVE).values(server=self._token))

    def _find(self, connection: Connection, identity: str, *, new: bool) -> int:
        """Return the version of the tables, which are this archive's."""
        _refuse_encoding(connection, self._shown)
        tables = set(inspect(connection).get_table_names())
        if _ARCHIVE.name not in tables:
            self._make(connection, identity, tables, new=new)
            return SCHEMA_VERSION
        found, version = connection.execute(select(_ARCHIVE.c.id, _ARCHIVE.c.version)).one()
        if found != identity:
            raise UsageError(
                f"the database {self._shown} belongs to an archive in another folder",
                hint="give the --root that goes with it, or a database of its own to this one",
            )
        return int(version)

    def _refuse_version(self, version: int) -> None:
        newer = "serve it with the version of the archive that made it"
        older = "serve the archive once with this version: that brings it up to date"
        raise UsageError(
            f"{self._shown} has schema version {version}, this archive needs {SCHEMA_VERSION}",
            hint=newer if version > SCHEMA_VERSION else older,
        )

    def _make(self, connection: Connection, identity: str, tables: set[str], *, new: bool) -> None:
        if tables:
            raise UsageError(
                f"the database {self._shown} holds something else: {', '.join(sorted(tables)[:5])}",
                hint="make a database for the archive alone: createdb cci_archive",
            )
        if not new:
            raise UsageError(
                f"the database {self._shown} is empty, and this folder belongs to an archive that exists",
                hint="give the address of the right one, or bring it back from its dump",
            )
        _OWN.create_all(connection)
        METADATA.create_all(connection)
        for trigger in TRIGGERS["postgresql"]:
            connection.exec_driver_sql(trigger)
        connection.execute(insert(_ARCHIVE).values(id=identity, version=SCHEMA_VERSION, server=self._token))


def _bring_up_to_date(connection: Connection, version: int) -> None:
    for step in steps_from(version, SCHEMA_VERSION, "postgresql"):
        connection.exec_driver_sql(step)
    METADATA.create_all(connection)
    connection.execute(update(_ARCHIVE).values(version=SCHEMA_VERSION))


class _Guard:
    """The advisory lock, on a connection that does nothing else."""

    def __init__(self, url: URL, shown: str) -> None:
        self._engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._shown = shown
        self._turn = threading.Lock()
        self._connection: Connection | None = None

    def hold(self, *_event: object) -> None:
        """Take the lock, or see that we still have it.

        Raises
        ------
        UsageError
            Another server has it.
        """
        with self._turn:
            if self._connection is None or not _answers(self._connection):
                self._connection = self._take()

    def _take(self) -> Connection:
        connection = self._engine.connect()
        for name, value in _STAY.items():
            connection.execute(_SET, {"name": name, "value": value})
        if not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_LOCK})").scalar_one():
            connection.close()
            raise UsageError(
                f"another server works on the database {self._shown}",
                hint="stop that server; after a crash of its host, the lock goes within two minutes",
            )
        return connection

    def release(self) -> None:
        """Give the lock back."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
            self._connection = None


#: The connection with the lock idles for ever, and goes soon when this host does.
_STAY = {
    "idle_session_timeout": "0",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "30",
    "tcp_keepalives_count": "3",
}
_SET = text("SELECT set_config(name, :value, false) FROM pg_settings WHERE name = :name")


def _answers(connection: Connection) -> bool:
    try:
        connection.exec_driver_sql("SELECT 1")
    except DBAPIError:
        with suppress(DBAPIError):
            connection.close()
        return False
    return True


def _refuse_encoding(connection: Connection, shown: str) -> None:
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise UsageError(
            f"the database {shown} keeps texts as {encoding}, and names may be in any language",
            hint="make one with: createdb --encoding=UTF8 --template=template0",
        )


def _engine(url: URL) -> Engine:
    # a server of PostgreSQL has 100 connections unless told otherwise: leave some to others
    engine = create_engine(
        url, isolation_level="READ COMMITTED", pool_size=10, max_overflow=40, pool_pre_ping=True
    )
    from psycopg import DataError
    from psycopg.errors import ProgramLimitExceeded

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # whoever is told that a write is done may rely on it, whatever else is kept on that server
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') = 'off'"
        )
        connection.commit()

    @event.listens_for(engine, "handle_error")
    def _refuse(context: ExceptionContext) -> BadRequest | None:
        # NUL in a text, a name too long for an index: it is the request that cannot be
        if isinstance(context.original_exception, DataError | ProgramLimitExceeded):
            return BadRequest("a value is too long, or has a NUL in it")
        return None

    return engine


@contextmanager
def _in_plain_words(shown: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise UsageError(
            "the PostgreSQL driver is not installed", hint="pip install 'cci-spiders[postgresql]'"
        ) from error
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise UsageError(
            f"cannot open the database {shown}: {reason}",
            hint="does PostgreSQL run there, and may this user open it? passwords go into ~/.pgpass",
        ) from error
