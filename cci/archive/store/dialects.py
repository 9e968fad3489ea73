"""What SQLite and PostgreSQL say differently, under one name each. No tables and no queries.

SQLite's meaning is the measure: text is ordered and compared by its bytes, LIKE has no escape character, and
what is no number counts as 0 (https://www.sqlite.org/lang_expr.html, "CAST expressions").
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, ColumnElement, Float, Integer, Text, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

#: Whatever language a PostgreSQL database sorts by.
TEXT = Text().with_variant(Text(collation="C"), "postgresql")
#: 64 bits in both; SQLite counts keys up by itself only if their type is called INTEGER.
NUMBER = BigInteger().with_variant(Integer(), "sqlite")


class JsonText(FunctionElement[str]):
    """The text of one field of a JSON object, NULL where it lacks it."""

    type = TEXT
    inherit_cache = True

    def __init__(self, data: ColumnElement[Any], field: str) -> None:
        name = field.replace('"', "")
        # a path for the one, a key for the other: each database takes its own
        super().__init__(data, bindparam(None, f'$."{name}"', Text()), bindparam(None, name, Text()))


@compiles(JsonText)
def _json_extract(element: JsonText, compiler: Any, **options: Any) -> str:
    data, path, _ = element.clauses
    return f"json_extract({compiler.process(data, **options)}, {compiler.process(path, **options)})"


@compiles(JsonText, "postgresql")
def _json_arrow(element: JsonText, compiler: Any, **options: Any) -> str:
    data, _, key = element.clauses
    return f'(({compiler.process(data, **options)} ->> {compiler.process(key, **options)}) COLLATE "C")'


class AsInteger(FunctionElement[float]):
    """The integer that a text begins with."""

    type = Float()
    inherit_cache = True


class AsNumber(FunctionElement[float]):
    """The number that a text begins with."""

    type = Float()
    inherit_cache = True


@compiles(AsInteger)
def _sqlite_integer(element: AsInteger, compiler: Any, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS INTEGER)"


@compiles(AsNumber)
def _sqlite_number(element: AsNumber, compiler: Any, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS NUMERIC)"


@compiles(AsInteger, "postgresql")
def _postgres_integer(element: AsInteger, compiler: Any, **options: Any) -> str:
    return _leading(compiler.process(element.clauses, **options), "^ *([+-]?[0-9]{1,255})")


@compiles(AsNumber, "postgresql")
def _postgres_number(element: AsNumber, compiler: Any, **options: Any) -> str:
    mantissa, exponent = r"(?:[0-9]{1,255}\.?[0-9]*|\.[0-9]+)", "(?:[eE][+-]?[0-9]{1,2}(?![0-9]))?"
    return _leading(compiler.process(element.clauses, **options), f"^ *([+-]?{mantissa}{exponent})")


def _leading(text: str, pattern: str) -> str:
    # PostgreSQL's own cast fails on a text that is no number
    found = f"CAST(substring(CAST({text} AS TEXT) from '{pattern}') AS NUMERIC)"
    return f"(CASE WHEN {text} IS NOT NULL THEN coalesce({found}, 0) END)"


class Like(FunctionElement[bool]):
    """LIKE with ``%`` and ``_``, in which case counts and nothing escapes."""

    type = Boolean()
    inherit_cache = True


@compiles(Like)
def _sqlite_like(element: Like, compiler: Any, **options: Any) -> str:
    text, pattern = (compiler.process(each, **options) for each in element.clauses)
    return f"({text} LIKE {pattern})"


@compiles(Like, "postgresql")
def _postgres_like(element: Like, compiler: Any, **options: Any) -> str:
    text, pattern = (compiler.process(each, **options) for each in element.clauses)
    return f"({text} LIKE {pattern} ESCAPE '')"


class Epoch(FunctionElement[float]):
    """Seconds of the epoch, now, by the clock of the database."""

    type = Float()
    inherit_cache = True


@compiles(Epoch)
def _sqlite_epoch(_element: Epoch, _compiler: Any, **_options: Any) -> str:
    return "CAST(strftime('%s', 'now') AS INTEGER)"


@compiles(Epoch, "postgresql")
def _postgres_epoch(_element: Epoch, _compiler: Any, **_options: Any) -> str:
    return "extract(epoch from clock_timestamp())"
