"""Statements that are made once and, on SQLite, run past SQLAlchemy, which takes longer for it than SQLite.

Only for what every request needs. On PostgreSQL they run as any other statement: the way to its server takes
longer still, and its errors are put into words on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Select, Update
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

Row = dict[str, Any]
_Convert = Callable[[Any], Any]
_SQLITE = sqlite.dialect(paramstyle="qmark")


class Prepared:
    """A statement whose values are given by name each time.

    Parameters
    ----------
    statement
        It names with a ``bindparam`` every value that changes.
    columns
        Columns that an INSERT or UPDATE sets without naming them, each to the value of its name.
    """

    def __init__(
        self, statement: Select[Any] | Insert | Update | Delete, columns: Collection[str] = ()
    ) -> None:
        self._statement = statement
        self._set = columns

    def run(self, connection: Connection, **values: object) -> None:
        """Run a statement that returns no rows."""
        if connection.dialect.name == "sqlite":
            self._cursor(connection, values)
        else:
            connection.execute(self._statement, values)

    def first(self, connection: Connection, **values: object) -> Row | None:
        """Return the first row, by the names of its columns."""
        if connection.dialect.name != "sqlite":
            row = connection.execute(self._statement, values).mappings().first()
            return None if row is None else dict(row)
        found = self._cursor(connection, values).fetchone()
        return None if found is None else self._row(found)

    def _cursor(self, connection: Connection, values: Row) -> Any:
        text, names, constants, converted = self._compiled
        given = {**constants, **values}
        for name, convert in converted:
            given[name] = convert(given[name])
        driver = connection.connection.driver_connection
        assert driver is not None
        return driver.execute(text, [given[name] for name in names])

    def _row(self, found: tuple[Any, ...]) -> Row:
        names, converted = self._columns
        row = dict(zip(names, found, strict=True))
        for name, convert in converted:
            row[name] = convert(row[name])
        return row

    @cached_property
    def _compiled(self) -> tuple[str, list[str], Row, list[tuple[str, _Convert]]]:
        """Text, names of its values in order, values that are always the same, and how values are spelt."""
        compiled: Any = self._statement.compile(dialect=_SQLITE, column_keys=list(self._set) or None)
        types = {name: bind.type for name, bind in compiled.binds.items()}
        constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        spelt = list(_converters(types, "bind_processor"))
        return str(compiled), list(compiled.positiontup), constants, spelt

    @cached_property
    def _columns(self) -> tuple[list[str], list[tuple[str, _Convert]]]:
        """Names of the columns of a row, and how what is found there is read."""
        types = {str(column.key): column.type for column in self._statement.exported_columns}
        # SQLite's driver takes no second argument
        return list(types), list(_converters(types, "result_processor", None))


def _converters(
    types: dict[str, TypeEngine[Any]], which: str, *more: object
) -> Iterator[tuple[str, _Convert]]:
    for name, each in types.items():
        convert = getattr(each.dialect_impl(_SQLITE), which)(_SQLITE, *more)
        if convert is not None:
            yield name, convert
