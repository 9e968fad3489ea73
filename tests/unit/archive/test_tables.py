"""Tables as JSON, CSV, XML and HTML."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from cci.archive.errors import BadRequest
from cci.archive.tables import encode_table, table_format

HEADERS = ["ID", "note"]
ROWS: list[tuple[Any, Any]] = [("1", None), (2, 'a "b", c'), ("3", "two\nlines"), ("4", "ü<&>")]


def encoded(form: str) -> str:
    return b"".join(encode_table(form, HEADERS, ROWS)).decode()


def test_json() -> None:
    """Every value of JSON is a string, the total too; null is empty."""
    table = json.loads(encoded("json"))["ResultSet"]
    assert "4" == table["totalRecords"]
    assert [{"ID": "1", "note": ""}, {"ID": "2", "note": 'a "b", c'}] == table["Result"][:2]


def test_csv() -> None:
    """CSV has a header, quotes where needed, and a space for a newline inside a value."""
    text = encoded("csv")
    assert 'ID,note\n1,\n2,"a ""b"", c"\n3,two lines\n4,ü<&>\n' == text
    assert 5 == len(list(csv.reader(io.StringIO(text))))


def test_empty_csv() -> None:
    """An empty list still has its header."""
    assert b"ID,note\n" == b"".join(encode_table("csv", HEADERS, []))


def test_xml() -> None:
    """XML has columns and cells."""
    assert "<cell>ü&lt;&amp;&gt;</cell></row></rows></results></ResultSet>" in encoded("xml")


@pytest.mark.parametrize("form", ["html", "xlist"])
def test_html(form: str) -> None:
    """HTML is a table, which no client takes for a page; what is in the cells stays text."""
    text = encoded(form)
    assert text.startswith("<table>")
    assert "<tr><th>ID</th><th>note</th></tr>" in text
    assert "<tr><td>4</td><td>ü&lt;&amp;&gt;</td></tr>" in text


def test_many_rows() -> None:
    """Rows are encoded piece by piece, and none is lost between the pieces."""
    rows = [(number, "x") for number in range(2500)]
    pieces = list(encode_table("json", HEADERS, rows))
    table = json.loads(b"".join(pieces))["ResultSet"]
    assert len(pieces) > 3
    assert ("2500", 2500) == (table["totalRecords"], len(table["Result"]))


@pytest.mark.parametrize(
    ("name", "accept", "expected"),
    [
        ("json", "text/csv", "json"),
        ("CSV", "", "csv"),
        ("xList", "", "xlist"),
        ("text/csv", "", "csv"),
        ("", "*/*", "json"),
        ("", "text/csv;q=0.9,*/*", "csv"),
        ("", "application/xml", "xml"),
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", "html"),
    ],
)
def test_format(name: str, accept: str, expected: str) -> None:
    """``format=`` wins over ``Accept``, and JSON is the default."""
    assert expected == table_format(name, accept)


def test_unknown_format() -> None:
    """An unknown format is refused."""
    with pytest.raises(BadRequest):
        table_format("yaml")
