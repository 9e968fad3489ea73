"""Statements that are made once: they say the same as when SQLAlchemy runs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import bindparam, insert, literal, select, update

from cci.archive.store import schema
from cci.archive.store.database import Connection
from cci.archive.store.prepared import Prepared
from cci.archive.store.sqlite import SqliteDatabase

PROJECT = schema.project
ROW = {
    "id": "P",
    "accessibility": "private",
    "settings": {},
    "insert_date": "then",
    "insert_user": "me",
    "saved_at": "then",
    "touched_at": "then",
    "data": {"name": "Größe"},
}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    database = SqliteDatabase(tmp_path / "archive.db")
    with database.write() as lent:
        yield lent
    database.close()


def test_a_row_is_the_one_that_sqlalchemy_reads(connection: Connection) -> None:
    """Also objects, which the database keeps as text, and generated columns."""
    Prepared(insert(PROJECT), tuple(ROW)).run(connection, **ROW)
    query = select(PROJECT, literal("here").label("place")).where(PROJECT.c.id == bindparam("name"))
    row = Prepared(query).first(connection, name="P")
    expected = dict(connection.execute(query, {"name": "P"}).mappings().one())

    assert expected == row


def test_no_row(connection: Connection) -> None:
    """Where there is no row, there is None."""
    query = Prepared(select(PROJECT).where(PROJECT.c.id == bindparam("name")))

    assert query.first(connection, name="Q") is None


def test_only_named_columns_are_set(connection: Connection) -> None:
    """An update sets the columns it was made for, and leaves the others."""
    connection.execute(insert(PROJECT).values(ROW))
    renaming = Prepared(update(PROJECT).where(PROJECT.c.id == bindparam("name")), ("data",))
    renaming.run(connection, name="P", data={"name": "new"})
    query = select(*(PROJECT.c[name] for name in ROW))
    expected = {**ROW, "data": {"name": "new"}}

    assert expected == dict(connection.execute(query).mappings().one())


def test_a_value_that_is_not_given_is_an_error(connection: Connection) -> None:
    """It is not taken for NULL."""
    touching = update(PROJECT).where(PROJECT.c.id == bindparam("name")).values(touched_at=bindparam("now"))

    with pytest.raises(KeyError, match="now"):
        Prepared(touching).run(connection, name="P")
