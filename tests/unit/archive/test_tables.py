"""Tables as JSON, CSV, XML and HTML."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from cci.archive.errors import NotAcceptable
from cci.archive.tables import encode_table, sorted_rows, table_format

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
        ("json", "text/csv, */*", "json"),
        ("CSV", "", "csv"),
        ("xList", "", "xlist"),
        ("text/csv", "", "csv"),
        ("", "*/*", "json"),
        ("", "text/csv;q=0.9,*/*", "json"),
        ("", "text/xml", "xml"),
        ("", "text/html;q=0.5,text/xml;q=0.6", "xml"),
        ("", "text/html;q=bad,text/xml;q=0.6", "html"),
        ("", "text/html;q=0,text/*", "xml"),
        ("application/vnd.ms-excel", "", "csv"),
        ("yaml", "", "html"),
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", "html"),
    ],
)
def test_format(name: str, accept: str, expected: str) -> None:
    """``format=`` wins over ``Accept``, and JSON is the default."""
    assert expected == table_format(name, accept)


@pytest.mark.parametrize("accept", ["text/csv", "image/*", "*/*;q=0"])
def test_no_form_that_is_accepted(accept: str) -> None:
    """Who takes none of the forms that tables are offered in is refused, whatever is asked for."""
    with pytest.raises(NotAcceptable):
        table_format("csv", accept)


@pytest.mark.parametrize(("descending", "expected"), [(False, "1 2 3 4 5"), (True, "5 4 3 2 1")])
def test_sorted_rows(*, descending: bool, expected: str) -> None:
    """Rows are sorted by columns in turn; numbers come before texts, and nothing is an empty text."""
    rows: list[tuple[Any, str, str]] = [
        ("b", "x", "5"),
        (10, "x", "2"),
        (None, "x", "3"),
        (9, "x", "1"),
        ("a", "x", "4"),
    ]
    ordered = sorted_rows(rows, [1, 0], descending=descending)
    assert expected.split() == [row[2] for row in ordered]
