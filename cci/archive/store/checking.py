"""Compares what the tables say with what lies on disk, content by content. It repairs nothing.

It may run while a server works on the store: what has changed meanwhile is looked at again before it counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, RowMapping, and_, func, select

from cci.archive.store import schema
from cci.archive.store.blobs import content_path
from cci.archive.store.database import Database
from cci.archive.store.whereabouts import open_database

_COPY = 1 << 20
_CHUNK = 1000


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that is not as it must be; *where* names the file or table, *what* is a sentence."""

    where: str
    what: str


def check(
    root: Path, on_file: Callable[[int], None] = lambda _size: None, *, address: str = ""
) -> Iterator[Problem]:
    """Check a store and yield what is wrong with it.

    Parameters
    ----------
    on_file
        Called with the size in bytes of every content that was read.
    address
        Of its PostgreSQL database, if it is another one than the folder remembers.

    Raises
    ------
    UsageError
        There is no archive in this folder, or one of another version.
    """
    database = open_database(root, address, prepare=False)
    try:
        with database.read() as connection:
            yield from _tables(connection)
            yield from _counts(connection)
        for row in _rows(database):
            problem = _content(root, row)
            if problem is not None and _still_there(database, row):
                yield problem
            on_file(row["size"])
        yield from _strays(root, database)
    finally:
        database.close()


def count_files(root: Path, address: str = "") -> int:
    """Return how many files an archive has."""
    database = open_database(root, address, prepare=False)
    try:
        with database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(schema.file)).scalar_one())
    finally:
        database.close()


def _tables(connection: Connection) -> Iterator[Problem]:
    return _damage(connection) if connection.dialect.name == "sqlite" else _dangling(connection)


def _damage(connection: Connection) -> Iterator[Problem]:
    for row in connection.exec_driver_sql("PRAGMA integrity_check"):
        if row[0] != "ok":
            yield Problem(where="archive.db", what=f"the database is damaged: {row[0]}")
    for row in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield Problem(where=f"table {row[0]}", what=f"row {row[1]} refers to a row of {row[2]} that is gone")


def _dangling(connection: Connection) -> Iterator[Problem]:
    # a server sees to its own pages; what refers to what may have been switched off while a dump was read in
    for table in schema.METADATA.sorted_tables:
        for key in (each for column in table.c for each in column.foreign_keys):
            there = key.column.table.alias("there")
            gone = and_(key.parent.is_not(None), there.c.pk.is_(None))
            rows = select(func.count()).select_from(table).join(there, there.c.pk == key.parent, isouter=True)
            count = connection.execute(rows.where(gone)).scalar_one()
            if count:
                what = f"{count} rows refer to rows of {key.column.table.name} that are gone"
                yield Problem(where=f"table {table.name}", what=what)


def _counts(connection: Connection) -> Iterator[Problem]:
    file, resource = schema.file, schema.resource
    count, size = func.count(file.c.pk), func.coalesce(func.sum(file.c.size), 0)
    query = (
        select(resource.c.pk, resource.c.label, resource.c.file_count, resource.c.file_size, count, size)
        .join(file, file.c.resource_pk == resource.c.pk, isouter=True)
        .group_by(resource.c.pk)
        .having((resource.c.file_count != count) | (resource.c.file_size != size))
    )
    for pk, label, said_count, said_size, count_, size_ in connection.execute(query):
        what = f"says {said_count} files of {said_size} bytes and has {count_} of {size_}"
        yield Problem(where=f"resource {pk} ({label})", what=what)


def _rows(database: Database) -> Iterator[RowMapping]:
    # not in one transaction: reading all contents may take a day, in which the log of writes would grow
    last = 0
    while rows := _chunk(database, last):
        yield from rows
        last = rows[-1]["pk"]


def _chunk(database: Database, last: int) -> Sequence[RowMapping]:
    file = schema.file
    columns = (file.c.pk, file.c.path, file.c.size, file.c.md5, file.c.blob, file.c.resource_pk)
    query = select(*columns).where(file.c.pk > last).order_by(file.c.pk).limit(_CHUNK)
    with database.read() as connection:
        return connection.execute(query).mappings().all()


def _content(root: Path, row: RowMapping) -> Problem | None:
    where = f"/data/resources/{row['resource_pk']}/files/{row['path']}"
    path = content_path(root, row["blob"])
    try:
        size, md5 = measure(path)
    except OSError as error:
        return Problem(where=where, what=f"its content {path} cannot be read: {error.strerror}")
    if (size, md5) == (row["size"], row["md5"]):
        return None
    return Problem(
        where=where,
        what=f"its content {path} has {size} bytes and MD5 {md5}, not {row['size']} and {row['md5']}",
    )


def measure(path: Path) -> tuple[int, str]:
    """Return size in bytes and MD5 of a file's content."""
    digest, size = hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as stream:
        while part := stream.read(_COPY):
            digest.update(part)
            size += len(part)
    return size, digest.hexdigest()


def _still_there(database: Database, row: RowMapping) -> bool:
    table = schema.file
    query = select(table.c.pk).where(table.c.pk == row["pk"], table.c.blob == row["blob"])
    with database.read() as connection:
        return connection.execute(query).first() is not None


def _strays(root: Path, database: Database) -> Iterator[Problem]:
    for folder in sorted(path for path in (root / "files").iterdir() if path.is_dir()):
        names = {path.name for path in folder.iterdir()}
        known = _known(database, folder.name)
        for name in sorted(name for name in names - known if (folder / name).exists()):
            yield Problem(where=str(folder / name), what="belongs to no file of the archive")


def _known(database: Database, beginning: str) -> set[str]:
    """Return the names of all contents that begin so; a statement could not take them all to ask for them."""
    columns = (schema.file.c.blob, schema.loose.c.blob)
    with database.read() as connection:
        return {
            name
            for column in columns
            # what begins so, by the index on it
            for name in connection.execute(
                select(column).where(column >= beginning, column < beginning + "g")
            ).scalars()
        }
