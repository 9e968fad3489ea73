"""Values of fields, labels, file paths."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cci.archive.errors import BadRequest
from cci.archive.types import Field, Kind
from cci.archive.values import check_label, escape_parameter, normalise, safe_path, timestamp


def field(kind: Kind, limit: int = 0) -> Field:
    return Field(path="f", xml_path="f", kind=kind, max_length=limit)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Kind.INT, "007", "7"),
        (Kind.FLOAT, "42", "42.0"),
        (Kind.FLOAT, "1e-3", "0.001"),
        (Kind.BOOL, "true", "1"),
        (Kind.BOOL, "0", "0"),
        (Kind.DATE, "2020-01-02", "2020-01-02"),
        (Kind.DATE, "1/2/2020", "2020-01-02"),
        (Kind.TIME, "03:04:05", "03:04:05"),
        (Kind.DATETIME, "2020-01-02T03:04:05", "2020-01-02 03:04:05.0"),
        (Kind.STRING, " as it is ", " as it is "),
    ],
)
def test_spelling(kind: Kind, text: str, expected: str) -> None:
    """A value is stored as the archive spells it."""
    assert expected == normalise(field(kind), text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Kind.INT, "one"),
        (Kind.FLOAT, "x"),
        (Kind.DATE, "notadate"),
        (Kind.DATE, "2020-02-30"),
        (Kind.DATE, "2020-01-02 03:04:05"),
        (Kind.BOOL, "maybe"),
        (Kind.STRING, "bell\x07"),
        (Kind.STRING, "12345678901"),
    ],
)
def test_refused(kind: Kind, text: str) -> None:
    """A value of the wrong kind, too long or with control characters is refused."""
    with pytest.raises(BadRequest):
        normalise(field(kind, limit=10 if kind is Kind.STRING else 0), text)


def test_escape() -> None:
    """Values of parameters are XML-escaped, quotes too."""
    assert "&lt;a b=&quot;c&quot;&gt; &amp; &apos;" == escape_parameter('<a b="c"> & \'')


@pytest.mark.parametrize("path", ["a", "a/b.txt", "with space", "ü/…", "a..b", "-x", "$(rm)"])
def test_safe_paths(path: str) -> None:
    """A relative path below a resource stays as it is."""
    assert path == safe_path(path)


@pytest.mark.parametrize(
    "path", ["", "/a", "../a", "a/../b", "a//b", "a/", ".", "a/.", "a\\b", "a\0b", "a\nb", "x" * 256]
)
def test_unsafe_paths(path: str) -> None:
    """A path that is absolute, leaves its folder or has control characters is refused."""
    with pytest.raises(BadRequest):
        safe_path(path)


@pytest.mark.parametrize("label", ["", "..", "a/b", "a\nb", "x" * 256])
def test_labels(label: str) -> None:
    """A label is one part of a path."""
    with pytest.raises(BadRequest):
        check_label(label)


def test_timestamp() -> None:
    """Moments are spelt in UTC with milliseconds."""
    assert "2026-01-02 03:04:05.678" == timestamp(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))
