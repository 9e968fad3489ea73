"""Copies the tables of a store from one kind of database into the other, and moves an archive so."""

from __future__ import annotations

import uuid
from pathlib import Path

from sqlalchemy import Connection, Table, func, insert, select, text

from cci.archive.store import sqlite
from cci.archive.store.postgresql import PostgresDatabase, without_secrets
from cci.archive.store.schema import METADATA
from cci.archive.store.sqlite import SqliteDatabase
from cci.archive.store.store import lock
from cci.archive.store.whereabouts import Memory, keep, parsed, recall
from cci.errors import UsageError

#: What the SQLite file is called once its tables are elsewhere.
LEFT = f"{sqlite.FILE}.moved"
_ROWS = 1000


def move(root: Path, address: str) -> int:
    """Move an archive's tables from SQLite into an empty PostgreSQL database; return the number of rows.

    The SQLite file stays, under another name. An archive that was interrupted while it was moved is still in
    SQLite, whole.

    Raises
    ------
    UsageError
        The archive is open, is not in SQLite, or the database is not empty or cannot be opened.
    """
    if recall(root) is not None or not (root / sqlite.FILE).exists():
        raise UsageError(f"{root} has no archive with its tables in SQLite")
    url = parsed(address)
    memory = Memory(id=str(uuid.uuid4()), address=without_secrets(url).render_as_string())
    with lock(root):
        source = SqliteDatabase(root / sqlite.FILE)
        try:
            rows = _copy_into(source, PostgresDatabase(url, memory.id, new=True))
        finally:
            source.close()
        keep(root, memory)
        (root / sqlite.FILE).rename(root / LEFT)
    return rows


def _copy_into(source: SqliteDatabase, target: PostgresDatabase) -> int:
    try:
        with source.read() as there, target.write() as here:
            rows = copy_tables(there, here)
            # or its first listings would be planned as if there were nothing
            here.exec_driver_sql("ANALYZE")
            return rows
    finally:
        target.close()


def copy_tables(there: Connection, here: Connection) -> int:
    """Copy all rows of one database into the empty tables of another; return how many there are."""
    return sum(_copy_table(table, there, here) for table in METADATA.sorted_tables)


def _copy_table(table: Table, there: Connection, here: Connection) -> int:
    columns = [column for column in table.c if column.computed is None]
    # by key: what is referred to in the same table comes first
    query = select(*columns).order_by(*(column for column in columns if column.name == "pk"))
    rows = there.execute(query.execution_options(yield_per=_ROWS)).mappings()
    count = 0
    for part in rows.partitions():
        here.execute(insert(table), [dict(row) for row in part])
        count += len(part)
    if "pk" in table.c:
        _go_on_counting(table, max(_last_given(table, there), _highest(table, there)), here)
    return count


def _highest(table: Table, there: Connection) -> int:
    return int(there.execute(select(func.coalesce(func.max(table.c.pk), 0))).scalar_one())


_SERIAL = text("SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence(quote_ident(:name), 'pk')), 0)")
_SET_SERIAL = text("SELECT setval(pg_get_serial_sequence(quote_ident(:name), 'pk'), :last)")
_COUNTER = text("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = :name")
_SET_COUNTER = (
    text("DELETE FROM sqlite_sequence WHERE name = :name"),
    text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"),
)


def _last_given(table: Table, there: Connection) -> int:
    # higher than any key that is left where the latest rows were deleted: numbers are never given out twice
    query = _SERIAL if there.dialect.name == "postgresql" else _COUNTER
    return int(there.execute(query, {"name": table.name}).scalar_one())


def _go_on_counting(table: Table, last: int, here: Connection) -> None:
    values = {"name": table.name, "last": last}
    if not last:
        return
    if here.dialect.name == "postgresql":
        here.execute(_SET_SERIAL, values)
    elif table.dialect_options["sqlite"]["autoincrement"]:
        for statement in _SET_COUNTER:
            here.execute(statement, values)
