"""What the statements of listings are in each database's own words."""

from __future__ import annotations

import pytest
from sqlalchemy import ColumnElement, Dialect, Text, column, literal
from sqlalchemy.engine import make_url

from cci.archive.store.dialects import TEXT, AsInteger, Epoch, JsonText, Like

DATA, NAME = column("data", Text()), column("name", TEXT)


def dialect_named(name: str) -> Dialect:
    return make_url(f"{name}://").get_dialect()()


@pytest.mark.parametrize(
    ("expression", "dialect", "expected"),
    [
        (JsonText(DATA, "a/b"), "sqlite", """json_extract(data, '$."a/b"')"""),
        (JsonText(DATA, "a/b"), "postgresql+psycopg", """((data ->> 'a/b') COLLATE "C")"""),
        (JsonText(DATA, "it's"), "postgresql+psycopg", """((data ->> 'it''s') COLLATE "C")"""),
        (Like(NAME, literal("a%", TEXT)), "sqlite", "(name LIKE 'a%')"),
        (Like(NAME, literal("a_", TEXT)), "postgresql+psycopg", "(name LIKE 'a_' ESCAPE '')"),
        (AsInteger(NAME), "sqlite", "CAST(name AS INTEGER)"),
        (Epoch(), "postgresql+psycopg", "extract(epoch from clock_timestamp())"),
    ],
)
def test_words(expression: ColumnElement[object], dialect: str, expected: str) -> None:
    """Each database is asked in its own words."""
    compiled = expression.compile(dialect=dialect_named(dialect), compile_kwargs={"literal_binds": True})
    assert expected == str(compiled)
