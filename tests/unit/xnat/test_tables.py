"""Tables of an archive, and what is no table."""

from __future__ import annotations

import pytest

from cci.errors import Malformed
from cci.xnat.tables import plain, read_csv


def test_rows() -> None:
    """Rows are mappings by the header's names in lower case, however the bytes are cut."""
    table = 'ID,xnat:mrSessionData/note\nE1,"a, ""b"""\nE2,ä&amp;&lt;\n'.encode()
    expected = [
        {"id": "E1", "xnat:mrsessiondata/note": 'a, "b"'},
        {"id": "E2", "xnat:mrsessiondata/note": "ä&<"},
    ]
    for size in (1, 3, 7, len(table)):
        chunks = [table[start : start + size] for start in range(0, len(table), size)]
        assert expected == read_csv(chunks, ["id"], "GET /data", list)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (b"", ["id"]),
        (b"\n", ["id"]),
        (b",\n", ["id"]),
        (b"<html><body>Log in</body></html>\nsecond line\n", ["id"]),
        (b"label\nMR1\n", ["id"]),
        (b"ID,label\nE1\n", ["id"]),
        (b"ID,label\nE1,MR1,x\n", ["id"]),
        (b'ID,label\nE1,"MR1\n', ["id"]),
        (b"ID,label\nE1,\xff\n", ["id"]),
        (b"ID,label\nE1,MR\n", ["id", "date"]),
    ],
    ids=["empty", "blank", "bare", "html", "column", "short", "long", "quote", "bytes", "lacks"],
)
def test_no_table(table: bytes, columns: list[str]) -> None:
    """What has no header row, lacks a column or has a torn row is malformed, never empty."""
    with pytest.raises(Malformed):
        read_csv([table], columns, "GET /data", list)


def test_empty_listing() -> None:
    """A header row alone is an empty listing, whatever its names: archives do not rename it then."""
    assert read_csv([b"sub_assessor_id,label\n"], ["id"], "GET /data", list) == []


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("T1 &amp; T2", "T1 & T2"),
        ("&quot;a&quot; &lt; &apos;b&apos; &#39;c&#39; &gt;", "\"a\" < 'b' 'c' >"),
        ("&amp;lt;", "&lt;"),
        ("fish & chips &copy; &notit", "fish & chips &copy; &notit"),
        ("", ""),
    ],
)
def test_entities(stored: str, expected: str) -> None:
    """The five XML entities are resolved once, and nothing else."""
    assert expected == plain(stored)
